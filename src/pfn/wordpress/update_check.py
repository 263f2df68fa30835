"""Update checks as WordPress core asks them, plugins and themes alike (facts: client contracts 3a, 3c and 3e).

Answers for reading what a site says it has, and for the body it gets. It does not choose who speaks for a slug and
fetches nothing.

Rules: the answer always has its three keys, for a missing one is a fatal error on the site; it names only what was
asked; it never switches on automatic updates; what carries a foreign ``Update URI`` is left alone; versions compare as
PHP does. A request that cannot be read is one that has nothing installed: the site survives.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quote
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, OnErrorOmit, TypeAdapter
from typing_extensions import TypedDict

from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_newer

MOST_ITEMS = 2_000
_LONGEST_VERSION = 64


class _Header(TypedDict, total=False):
    Version: OnErrorOmit[str]
    UpdateURI: OnErrorOmit[str]


# What is no object is passed over only when all is read: of two members of one name the last is meant, as PHP has it.
_Entry: TypeAlias = Annotated[_Header | object, Field(union_mode="left_to_right")]


class _Sent(TypedDict, total=False):
    """What decides, of all that a site sends; what is of another shape is not there."""

    plugins: OnErrorOmit[dict[str, _Entry]]
    themes: OnErrorOmit[dict[str, _Entry]]
    active: object


# The rest, ten times as much, never becomes objects. Half a surrogate, and lists in lists in lists, are no JSON here.
_SENT = TypeAdapter(_Sent)


class Installed(NamedTuple):  # made for everything a site has, in a third of a dataclass's time
    """Something a site has: of a plugin ``key`` is ``folder/file.php``, of a theme its folder.

    It is ``active`` unless the site says otherwise.
    """

    key: str
    slug: str
    version: str
    update_uri: str
    active: bool = True


@dataclass(frozen=True, slots=True)
class Offered:
    """The newest release there is for something installed.

    ``page`` and ``package`` are absolute URLs; an empty ``package`` makes the site say that it cannot update by itself.
    """

    slug: str
    version: str
    page: str
    package: str
    requires: str = ""
    tested: str = ""
    requires_php: str = ""
    requires_plugins: tuple[str, ...] = ()
    upgrade_notice: str = ""
    icons: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Item:
    """What answers say of something offered, written out, as the members of a JSON object.

    All of them but what a site calls it, so that it is the same for every site.
    """

    version: str
    members: str


def read_plugins(text: str | None) -> tuple[Installed, ...]:
    """Read the ``plugins`` field: ``{"plugins": {"folder/file.php": {"Version": …, "UpdateURI": …}}}``.

    A plugin that is a single file, without a folder, has no slug and is left out.
    """
    entries, active = _read(text, "plugins")
    running = {key for key in active if isinstance(key, str)} if isinstance(active, list) else None
    found = []
    for key, header in entries:
        slug = _find_slug(key)
        if slug is not None:
            found.append(_installed(key, slug, header, running is None or key in running))
    return tuple(found)


def read_themes(text: str | None) -> tuple[Installed, ...]:
    """Read the ``themes`` field: ``{"active": …, "themes": {"folder": {"Version": …}}}``."""
    entries, active = _read(text, "themes")
    return tuple(
        _installed(key, key, header, active is None or active == key) for key, header in entries if is_slug(key)
    )


def is_ours(update_uri: str, hosts: Iterable[str]) -> bool:
    """Tell whether something with this ``Update URI`` may be answered by who speaks for ``hosts``.

    Without one anybody may; else it names whom to ask, and ``false`` names nobody.
    """
    if not update_uri:
        return True
    try:
        host = urlsplit(update_uri).hostname
    except ValueError:
        return False
    return host is not None and host.lower() in {one.lower() for one in hosts}


def write_plugin(offer: Offered) -> Item:
    """Write what is said of a plugin."""
    members: dict[str, object] = {
        "id": offer.page,
        "slug": offer.slug,
        "new_version": offer.version,
        "url": offer.page,
        "package": offer.package,
        "icons": dict(offer.icons),
        "banners": {},
        "banners_rtl": {},
        "requires": offer.requires,
        "tested": offer.tested,
        "requires_php": offer.requires_php,
        "requires_plugins": list(offer.requires_plugins),
    }
    if offer.upgrade_notice:
        members["upgrade_notice"] = offer.upgrade_notice
    return _write(offer, members)


def write_theme(offer: Offered) -> Item:
    """Write what is said of a theme."""
    members = {
        "new_version": offer.version,
        "url": offer.page,
        "package": offer.package,
        "requires": offer.requires or None,
        "requires_php": offer.requires_php or None,
    }
    return _write(offer, members)


def write_answer(kind: str, installed: Iterable[Installed], items: Mapping[str, Item]) -> str:
    """Write the body, JSON in ASCII; ``items`` is keyed as ``installed``, ``kind`` is ``plugin`` or ``theme``."""
    newer: list[str] = []
    same: list[str] = []
    for one in installed:
        item = items.get(one.key)
        if item is not None:
            key = quote(one.key)
            chosen = newer if is_newer(item.version, one.version) else same
            chosen.append(f'{key}:{{"{kind}":{key},{item.members}}}')
    return f'{{"{kind}s":{{{",".join(newer)}}},"no_update":{{{",".join(same)}}},"translations":[]}}'


def _write(offer: Offered, members: Mapping[str, object]) -> Item:
    return Item(offer.version, json.dumps(members, separators=(",", ":"))[1:-1])


@lru_cache(maxsize=4096)  # sites have the same few thousand
def _find_slug(key: str) -> str | None:
    folder, slash, file = key.partition("/")
    return folder if slash and "/" not in file and is_slug(folder) else None


def _installed(key: str, slug: str, header: Mapping[str, str], active: bool) -> Installed:
    return Installed(key, slug, header.get("Version", "")[:_LONGEST_VERSION], header.get("UpdateURI", ""), active)


def _read(text: str | None, name: Literal["plugins", "themes"]) -> tuple[Sequence[tuple[str, Any]], object]:
    """Give what is installed by key, and what is said to be active, as far as it can be read."""
    try:
        sent = _SENT.validate_json(text or "")
    except ValueError:
        return [], None
    found = [(key, header) for key, header in sent.get(name, {}).items() if isinstance(header, dict)]
    return found[:MOST_ITEMS], sent.get("active")
