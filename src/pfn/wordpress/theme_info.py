"""Theme information as WordPress core asks for it: lists and one theme's details (facts: client contracts 3e).

Answers for the shape of the answers of ``themes/info/1.2``, made from the same cards as plugins'. The rules of
``plugin_info`` hold; besides, an author is an object, ``themes`` a list, and a picture must be there.
"""

from collections.abc import Iterable
from html import escape

from pfn.wordpress.plugin_info import Card, Details, show_plugin


def list_themes(cards: Iterable[Card], *, page: int, pages: int, results: int) -> dict[str, object]:
    """Give the answer of ``query_themes``: one page of ``pages``, of ``results`` themes in all."""
    return {"info": {"page": page, "pages": pages, "results": results}, "themes": [_show_card(card) for card in cards]}


def show_theme(details: Details) -> dict[str, object]:
    """Give the answer of ``theme_information``."""
    shared = show_plugin(details)
    card = _show_card(details.card, author_profile=details.author_profile)
    kept = ("sections", "versions", "tags", "downloaded", "active_installs", "external", "last_updated")
    return {**card, **{name: shared[name] for name in kept}, "homepage": details.homepage}


def _show_card(card: Card, *, author_profile: str = "") -> dict[str, object]:
    author = escape(card.author)
    return {
        "name": escape(card.name),
        "slug": card.slug,
        "version": card.version,
        "preview_url": card.page,
        "author": {
            "user_nicename": author,
            "profile": author_profile,
            "avatar": card.icon,
            "display_name": author,
            "author": author,
            "author_url": author_profile,
        },
        "screenshot_url": card.icon,
        "rating": 0,
        "num_ratings": 0,
        "reviews_url": card.page,
        "homepage": card.page,
        "description": escape(card.short_description),
        "requires": card.requires or False,
        "requires_php": card.requires_php or False,
        "download_link": card.package,
    }
