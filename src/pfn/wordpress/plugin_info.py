"""Plugin information as WordPress core asks for it: lists, one plugin's details, tags (facts: client contracts 3b).

Answers for the shape of the answers of ``plugins/info/1.2``. It chooses no plugins; section texts come in as harmless
HTML, all other texts as they are, and are escaped here, for core takes names and descriptions for HTML too.

Rules: every member that core reads is there, for a missing one is a warning on the site; links are absolute, for core
would resolve relative ones at another server; ``external`` is set, so that no link to a foreign directory is shown; the
HTTP status says nothing to core, an ``error`` member does; a tag must not be called ``error``. Contributors have a
profile and a picture of the node's own: without, core would show pictures from the site's own admin pages.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape

BROWSE = frozenset({"featured", "popular", "new", "recommended", "beta", "updated", "top-rated"})
MOST_PER_PAGE = 250


@dataclass(frozen=True, slots=True)
class Card:
    """A plugin as lists show it. ``updated_at`` and ``added_at`` are Unix seconds."""

    slug: str
    name: str
    version: str
    author: str
    short_description: str
    page: str
    package: str
    updated_at: int
    added_at: int
    tags: Mapping[str, str] = field(default_factory=dict)
    requires: str = ""
    tested: str = ""
    requires_php: str = ""
    requires_plugins: tuple[str, ...] = ()
    icon: str = ""
    downloaded: int = 0
    active_installs: int = 0


@dataclass(frozen=True, slots=True)
class Details:
    """All there is to show of a plugin: its card, its sections as harmless HTML, every version's zip."""

    card: Card
    homepage: str
    sections: Mapping[str, str]
    versions: Mapping[str, str]
    upgrade_notice: Mapping[str, str] = field(default_factory=dict)
    contributors: Sequence[str] = ()
    donate_link: str = ""
    author_profile: str = ""


def list_plugins(cards: Iterable[Card], *, page: int, pages: int, results: int) -> dict[str, object]:
    """Give the answer of ``query_plugins``: one page of ``pages``, of ``results`` plugins in all."""
    return {
        "info": {"page": page, "pages": pages, "results": results},
        "plugins": [show_card(card) for card in cards],
    }


def show_plugin(details: Details) -> dict[str, object]:
    """Give the answer of ``plugin_information``."""
    return {
        **show_card(details.card),
        "homepage": details.homepage,
        "external": True,
        "sections": dict(details.sections),
        "versions": dict(details.versions),
        "upgrade_notice": dict(details.upgrade_notice),
        "author_profile": details.author_profile,
        "contributors": {
            name: {"profile": details.author_profile, "avatar": details.card.icon, "display_name": name}
            for name in details.contributors
        },
        "banners": {},
        "screenshots": {},
        "donate_link": details.donate_link,
    }


def show_tags(counts: Mapping[str, int], *, number: int) -> dict[str, object]:
    """Give the answer of ``hot_tags``: the most used tags, the most used first."""
    tags: dict[str, tuple[str, int]] = {}
    for tag, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        # Tags that differ in a hyphen are one to core; the more usual spelling is shown.
        name, sum_ = tags.get(tag_slug(tag), (tag, 0))
        tags[tag_slug(tag)] = name, sum_ + count
    most = sorted(tags.items(), key=lambda item: (-item[1][1], item[0]))[:number]
    return {slug: {"name": name, "slug": slug, "count": count} for slug, (name, count) in most}


def show_error(sentence: str) -> dict[str, object]:
    """Give what core shows as an error message."""
    return {"error": sentence}


def show_closed(*, slug: str, name: str, reason: str, closed_at: int | None) -> dict[str, object]:
    """Give the answer about something that was offered and is not any more; ``closed_at`` is in Unix seconds."""
    return {
        "error": "closed",
        "name": escape(name),
        "slug": slug,
        "description": escape(f"This was closed and can not be installed any more. {reason}"),
        "closed": True,
        "closed_date": _day(closed_at) if closed_at is not None else False,
        "reason": "withdrawn",
        "reason_text": escape(reason),
    }


def tag_slug(tag: str) -> str:
    """Give a tag as a slug: core takes an answer with a member ``error`` for a failure."""
    slug = "-".join(tag.casefold().split())
    return "errors" if slug == "error" else slug


def tags_of(slug: str) -> Sequence[str]:
    """Give the tags, with hyphens for their spaces, that have this slug."""
    return ("error", "errors") if slug == "errors" else (slug,)


def show_card(card: Card) -> dict[str, object]:
    """Give a plugin as lists show it."""
    return {
        "name": escape(card.name),
        "slug": card.slug,
        "version": card.version,
        "author": escape(card.author),
        "author_profile": "",
        "requires": card.requires or False,
        "tested": card.tested,
        "requires_php": card.requires_php or False,
        "requires_plugins": list(card.requires_plugins),
        "rating": 0,
        "ratings": {"5": 0, "4": 0, "3": 0, "2": 0, "1": 0},
        "num_ratings": 0,
        "support_threads": 0,
        "support_threads_resolved": 0,
        "active_installs": card.active_installs,
        "downloaded": card.downloaded,
        "last_updated": _moment(card.updated_at),
        "added": _day(card.added_at),
        "homepage": card.page,
        "short_description": escape(card.short_description),
        "description": escape(card.short_description),
        "download_link": card.package,
        "tags": dict(card.tags),
        "donate_link": "",
        # One of svg, 2x, 1x and default must be there.
        "icons": {"default": card.icon},
    }


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")


def _moment(seconds: int) -> str:
    """Write a time as ``strtotime`` and people read it: ``2024-09-27 9:53pm GMT``."""
    moment = datetime.fromtimestamp(seconds, UTC)
    hour = moment.hour % 12 or 12
    half = "am" if moment.hour < 12 else "pm"  # noon
    return f"{moment:%Y-%m-%d} {hour}:{moment:%M}{half} GMT"
