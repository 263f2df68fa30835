"""The shapes that updaters read, as PHP reads them: an empty map is no list, and nothing they need is missing."""

import json
from dataclasses import replace

import pytest

from pfn.wordpress.plugin_info import Card, Details
from pfn.wordpress.update_checker import show_plugin_update, show_theme_update, show_wrapped

CARD = Card(
    slug="reading-time",
    name="Reading Time",
    version="1.2",
    author="alice",
    short_description="Tells how long it takes.",
    page="https://node.example/plugins/alice@example.com/reading-time",
    package="https://node.example/dl/alice@example.com/reading-time/reading-time.1.2.zip",
    updated_at=1_727_474_000,
    added_at=1_700_000_000,
    requires="6.0",
    tested="6.6",
    requires_php="7.4",
)
DETAILS = Details(
    card=CARD,
    homepage="https://alice.example/",
    sections={"description": "<p>It tells.</p>", "changelog": "<h4>1.2</h4>"},
    versions={"1.2": CARD.package},
    upgrade_notice={"1.2": "Fixes a bug.", "1.1": "Older."},
)
BARE = replace(
    DETAILS, card=replace(CARD, requires="", tested="", requires_php=""), sections={}, upgrade_notice={}, homepage=""
)


@pytest.mark.parametrize("details", [DETAILS, BARE])
def test_a_plugin_has_the_members_of_both_readers(details: Details) -> None:
    shown = json.loads(json.dumps(show_plugin_update(details)))
    assert shown["version"] == shown["new_version"] == "1.2"
    assert shown["download_url"] == shown["package"] == CARD.package
    assert (shown["name"], shown["slug"], shown["url"]) == ("Reading Time", "reading-time", CARD.page)
    for name in ("sections", "icons", "banners", "banners_rtl"):
        assert isinstance(shown[name], dict), name
    assert "autoupdate" not in shown
    assert shown["last_updated"] == "2024-09-27 21:53:20 GMT"


def test_only_the_notice_of_the_newest_version_is_shown() -> None:
    assert show_plugin_update(DETAILS)["upgrade_notice"] == "Fixes a bug."
    assert show_plugin_update(BARE)["upgrade_notice"] == ""


def test_a_theme_has_a_details_url() -> None:
    shown = show_theme_update(DETAILS)
    assert (shown["version"], shown["details_url"], shown["download_url"]) == ("1.2", CARD.page, CARD.package)
    assert (shown["theme"], shown["new_version"], shown["package"]) == ("reading-time", "1.2", CARD.package)
    assert "autoupdate" not in shown


@pytest.mark.parametrize("details", [DETAILS, BARE])
def test_the_array_has_sections_twice(details: Details) -> None:
    (shown,) = show_wrapped(details)
    assert shown["sections"] == details.sections
    for name in ("description", "installation", "changelog"):
        assert shown[name] == details.sections.get(name, "")
    required = (
        "name slug version author requires tested requires_php last_updated added short_description download_link"
    )
    assert set(required.split()) <= shown.keys()
