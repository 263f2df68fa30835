"""What self-updating plugins and themes ask for (facts: client contracts 3c, 5 and 6).

Answers for the shapes: one object that Plugin Update Checker takes, and that a filter for core's ``Update URI`` may
return as it is, so it has the members of both; and the array of one object that Micro-Plugin-Publisher's updater takes.
It chooses no plugin and sanitises nothing: section texts come in as harmless HTML.

Rules: ``name``, ``version`` and a theme's ``details_url`` are always there; what a map is stays a map where it is empty
(PHP reads an empty list as something else); ``autoupdate`` is never said, for it would switch on unattended updates
whatever the site's admin chose.
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from pfn.wordpress.plugin_info import Details, show_plugin

_FLAT = ("description", "installation", "changelog")


def show_plugin_update(details: Details) -> dict[str, object]:
    """Give what a plugin's updater is told of the newest version."""
    card = details.card
    return {
        **_show_update(details),
        "requires_plugins": list(card.requires_plugins),
        "homepage": details.homepage,
        "author": card.author,
        "author_homepage": details.author_profile,
        "sections": dict(details.sections),
        "banners": {},
        "banners_rtl": {},
        "rating": 0,
        "num_ratings": 0,
        "downloaded": card.downloaded,
        "active_installs": card.active_installs,
        "last_updated": datetime.fromtimestamp(card.updated_at, UTC).strftime("%Y-%m-%d %H:%M:%S GMT"),
    }


def show_theme_update(details: Details) -> dict[str, object]:
    """Give what a theme's updater is told of the newest version."""
    return {**_show_update(details), "theme": details.card.slug, "details_url": details.card.page}


def show_wrapped(details: Details) -> list[dict[str, object]]:
    """Give the array of one object: plugin information, with three sections at its top level too, if only empty."""
    shown = show_plugin(details)
    sections: Mapping[str, str] = details.sections
    return [{**shown, **{name: sections.get(name, "") for name in _FLAT}}]


def _show_update(details: Details) -> dict[str, object]:
    card = details.card
    return {
        "name": card.name,
        "slug": card.slug,
        # Plugin Update Checker reads the first of each pair, core the second.
        "version": card.version,
        "new_version": card.version,
        "download_url": card.package,
        "package": card.package,
        "url": card.page,
        "requires": card.requires,
        "tested": card.tested,
        "requires_php": card.requires_php,
        "upgrade_notice": details.upgrade_notice.get(card.version, ""),
        "icons": {"default": card.icon} if card.icon else {},
        "translations": [],
    }
