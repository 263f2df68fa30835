"""What plugins are called in Composer: ``{vendor}/{slug}``.

A source gets its vendor name once, on one node, and keeps it for ever: its username, cleaned; where another source of
this node has that already, with the beginning of a digest of the source's id behind it. No name is ever given to
another source, not even after its own was removed: who locked a package must not get it from other hands.

The slug is the package's name as it is. The few slugs that Composer takes for no package name are not offered there.
"""

import hashlib
import re
from collections.abc import Iterator
from typing import Final

_VENDOR: Final = re.compile(r"[a-z0-9](?:[_.-]?[a-z0-9]++)*+")
_PACKAGE: Final = re.compile(r"[a-z0-9](?:(?:[_.]|-{1,2})?[a-z0-9]++)*+")
_DEVICES: Final = ("com", "lpt")
# Names of files on Windows, which Composer refuses.
_RESERVED: Final = frozenset(
    ["nul", "con", "prn", "aux", *(f"{device}{number}" for device in _DEVICES for number in range(1, 10))]
)
# Every package here needs composer/installers: a source of that name could stand in for it.
_KEPT: Final = frozenset({"composer"})
_DIGEST_LENGTHS: Final = (8, 16, 64)


def propose_vendors(source_id: str) -> Iterator[str]:
    """Give the vendor names a source may get, in order: the first that no other source has is its own."""
    username = source_id.partition("@")[0].lower()
    plain = re.sub(r"([._-])[._-]+", r"\1", username).strip("._-")
    if plain not in _RESERVED | _KEPT:
        yield plain
    digest = hashlib.sha256(source_id.encode()).hexdigest()
    for length in _DIGEST_LENGTHS:
        yield f"{plain}-{digest[:length]}"


def is_package_slug(slug: str) -> bool:
    """Tell whether Composer takes a slug for the second half of a package's name."""
    return _PACKAGE.fullmatch(slug) is not None and slug not in _RESERVED


def split_name(name: str) -> tuple[str, str] | None:
    """Split ``vendor/slug``, in any case as Composer reads it; None where that is no package's name."""
    vendor, slash, slug = name.lower().partition("/")
    return (vendor, slug) if slash and _VENDOR.fullmatch(vendor) and is_package_slug(slug) else None
