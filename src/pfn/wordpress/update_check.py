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
from urllib.parse import urlsplit

from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_newer

MOST_ITEMS = 2_000
_LONGEST_VERSION = 64


@dataclass(frozen=True, slots=True)
class Installed:
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

    key: str
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


def read_plugins(text: str | None) -> tuple[Installed, ...]:
    """Read the ``plugins`` field: ``{"plugins": {"folder/file.php": {"Version": …, "UpdateURI": …}}}``.

    A plugin that is a single file, without a folder, has no slug and is left out.
    """
    entries, active = _read(text, "plugins")
    running = {key for key in active if isinstance(key, str)} if isinstance(active, list) else None
    found = []
    for key, header in entries:
        folder, slash, file = key.partition("/")
        if slash and "/" not in file and is_slug(folder):
            found.append(_installed(key, folder, header, active=running is None or key in running))
    return tuple(found)


def read_themes(text: str | None) -> tuple[Installed, ...]:
    """Read the ``themes`` field: ``{"active": …, "themes": {"folder": {"Version": …}}}``."""
    entries, active = _read(text, "themes")
    return tuple(
        _installed(key, key, header, active=active is None or active == key) for key, header in entries if is_slug(key)
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


def answer_plugins(installed: Iterable[Installed], offered: Mapping[str, Offered]) -> dict[str, object]:
    """Make the body for plugins; ``offered`` is keyed as ``installed``."""
    newer: dict[str, object] = {}
    same: dict[str, object] = {}
    for one in installed:
        offer = offered.get(one.key)
        if offer is not None:
            (newer if is_newer(offer.version, one.version) else same)[one.key] = _plugin_item(offer)
    return {"plugins": newer, "no_update": same, "translations": []}


def answer_themes(installed: Iterable[Installed], offered: Mapping[str, Offered]) -> dict[str, object]:
    """Make the body for themes."""
    newer: dict[str, object] = {}
    same: dict[str, object] = {}
    for one in installed:
        offer = offered.get(one.key)
        if offer is not None:
            (newer if is_newer(offer.version, one.version) else same)[one.key] = {
                "theme": offer.slug,
                "new_version": offer.version,
                "url": offer.page,
                "package": offer.package,
                "requires": offer.requires or None,
                "requires_php": offer.requires_php or None,
            }
    return {"themes": newer, "no_update": same, "translations": []}


def _plugin_item(offer: Offered) -> dict[str, object]:
    item: dict[str, object] = {
        "id": offer.page,
        "slug": offer.slug,
        "plugin": offer.key,
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
        item["upgrade_notice"] = offer.upgrade_notice
    return item


def _installed(key: str, slug: str, header: Mapping[str, object], *, active: bool) -> Installed:
    return Installed(key, slug, _text(header, "Version")[:_LONGEST_VERSION], _text(header, "UpdateURI"), active)


def _read(text: str | None, name: str) -> tuple[Sequence[tuple[str, Mapping[str, object]]], object]:
    """Give what is installed by key, and what is said to be active, as far as it can be read."""
    try:
        document = json.loads(text or "")
    except (ValueError, RecursionError):
        return [], None
    entries = document.get(name) if isinstance(document, dict) else None
    if not isinstance(entries, dict):
        return [], None
    found = [(key, header) for key, header in entries.items() if isinstance(header, dict)][:MOST_ITEMS]
    return found, document.get("active")


def _text(header: Mapping[str, object], name: str) -> str:
    value = header.get(name)
    return value if isinstance(value, str) else ""
