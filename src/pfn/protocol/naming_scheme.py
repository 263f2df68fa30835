"""Where a publisher's zips are: its registered asset domain and naming scheme (protocol.md section 2).

Answers for: a URL at the registered origin, whatever scheme, author, slug and version say (facts: fetch and
zip safety, rule 5). Placeholders: ``{author}``, ``{slug}``, ``{version}`` anywhere; the prototype's bare
``author``, ``slug`` and ``version`` only as whole path segments, and ``slug.zip``. Both kinds may be mixed.

Does not answer for: what is fetched from there, nor whether the address may be contacted.
"""

import re
from urllib.parse import quote

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.source_id import normalize_instance_url

MAX_SCHEME_LENGTH = 500

_LEGACY_SEGMENTS = {
    "author": "{author}",
    "slug": "{slug}",
    "version": "{version}",
    "slug.zip": "{slug}.zip",
}
_PLACEHOLDER = re.compile(r"\{(author|slug|version)\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~+@-]*")
_DOTS = frozenset({".", ".."})


def asset_url(domain: str, naming_scheme: str, *, author: str, slug: str, version: str) -> str:
    """The URL of one zip, of the same origin as ``domain``, with the values percent-encoded.

    Raises PfnError(ASSET_SCHEME) for a domain, scheme or value that could lead elsewhere or nowhere.
    """
    try:
        base = normalize_instance_url(domain)
    except PfnError as error:
        raise _refused(f"The asset domain cannot be used: {error.detail}") from error
    values = {"author": author, "slug": slug, "version": version}
    return "/".join([base, *(_fill(segment, values) for segment in _read_segments(naming_scheme))])


def names_version(naming_scheme: str) -> bool:
    """Whether each version has its own URL; where not, the bytes there are always the newest.

    Raises PfnError(ASSET_SCHEME) like ``asset_url``.
    """
    return any("{version}" in segment for segment in _read_segments(naming_scheme))


def _read_segments(naming_scheme: str) -> list[str]:
    """The path's segments with every placeholder in braces."""
    if len(naming_scheme) > MAX_SCHEME_LENGTH:
        raise _refused(f"The naming scheme is longer than {MAX_SCHEME_LENGTH} characters.")
    segments = naming_scheme.removeprefix("/").split("/")
    for segment in segments:
        if segment in _DOTS or not segment:
            raise _refused("The naming scheme has an empty segment or one of dots alone.")
        if not _LITERAL.fullmatch(_PLACEHOLDER.sub("", segment)):
            raise _refused(
                "The naming scheme may have letters, digits, ._~+@- and the placeholders {author}, {slug} "
                "and {version} between single slashes."
            )
    return [_LEGACY_SEGMENTS.get(segment, segment) for segment in segments]


def _fill(segment: str, values: dict[str, str]) -> str:
    filled = _PLACEHOLDER.sub(lambda found: _encode(found[1], values[found[1]]), segment)
    if filled in _DOTS:
        raise _refused("The naming scheme gives a path segment of dots alone.")
    return filled


def _encode(name: str, value: str) -> str:
    # An encoded slash would do, but some servers decode it before they look for the file.
    if not value or not value.isprintable() or "/" in value or "\\" in value:
        raise _refused(f"The {name} cannot stand in a URL.")
    return quote(value, safe="")


def _refused(detail: str) -> PfnError:
    return PfnError(Code.ASSET_SCHEME, detail)
