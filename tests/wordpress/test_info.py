"""Plugin and theme information: every member that core reads is there, and texts are text."""

from pfn.wordpress.plugin_info import (
    Card,
    Details,
    list_plugins,
    show_closed,
    show_plugin,
    show_tags,
    tag_slug,
    tags_of,
)
from pfn.wordpress.theme_info import list_themes, show_theme

CARD = Card(
    slug="hello",
    name="<b>Hello</b> & more",
    version="1.0",
    author="<script>Ann",
    short_description="<img src=x>",
    page="https://node.example/plugins/a@b/hello",
    package="https://node.example/dl/a@b/hello/hello.1.0.zip",
    updated_at=1_727_474_000,
    added_at=1_600_000_000,
    tags={"a-b": "a b"},
    icon="https://node.example/mark.svg",
)
DETAILS = Details(
    CARD,
    "https://home.example",
    {"description": "<p>x</p>"},
    {"1.0": CARD.package},
    contributors=["ann"],
    author_profile="https://node.example/sources/a@b",
)


def test_a_list_has_what_core_reads_of_each() -> None:
    body = list_plugins([CARD], page=2, pages=3, results=50)
    assert body["info"] == {"page": 2, "pages": 3, "results": 50}
    (item,) = body["plugins"]  # type: ignore[misc]
    read = {"name", "slug", "version", "author", "short_description", "icons", "rating", "num_ratings"}
    read |= {"active_installs", "last_updated", "requires", "tested", "requires_php"}
    assert read <= item.keys()
    assert item["last_updated"] == "2024-09-27 9:53pm GMT"
    assert item["icons"] == {"default": CARD.icon}


def test_texts_of_strangers_are_escaped() -> None:
    for item in (show_plugin(DETAILS), show_theme(DETAILS)):
        assert item["name"] == "&lt;b&gt;Hello&lt;/b&gt; &amp; more"
    assert show_plugin(DETAILS)["short_description"] == "&lt;img src=x&gt;"
    assert show_plugin(DETAILS)["author"] == "&lt;script&gt;Ann"
    closed = show_closed(slug="x", name="<b>", reason="<i>", closed_at=0)
    assert (closed["name"], closed["reason_text"], closed["closed_date"]) == ("&lt;b&gt;", "&lt;i&gt;", "1970-01-01")


def test_contributors_show_no_picture_of_the_site_itself() -> None:
    contributors = show_plugin(DETAILS)["contributors"]
    assert contributors == {"ann": {"profile": DETAILS.author_profile, "avatar": CARD.icon, "display_name": "ann"}}


def test_a_theme_has_its_author_as_an_object_and_a_picture() -> None:
    (item,) = list_themes([CARD], page=1, pages=1, results=1)["themes"]  # type: ignore[misc]
    assert item["author"]["display_name"] == "&lt;script&gt;Ann"
    needed = {"slug", "name", "version", "description", "rating", "num_ratings", "preview_url", "screenshot_url"}
    assert needed | {"homepage", "requires", "requires_php", "reviews_url"} <= item.keys()
    assert show_theme(DETAILS)["sections"] == {"description": "<p>x</p>"}
    assert show_theme(DETAILS)["homepage"] == "https://home.example"


def test_tags_are_counted_by_their_slug_and_none_is_called_error() -> None:
    tags = show_tags({"contact form": 3, "contact-form": 5, "error": 9, "rare": 1}, number=2)
    assert tags == {
        "errors": {"name": "error", "slug": "errors", "count": 9},
        "contact-form": {"name": "contact-form", "slug": "contact-form", "count": 8},
    }
    assert list(tags) == ["errors", "contact-form"]
    for tag in ("Contact  Form", "error", "seo"):
        assert "-".join(tag.casefold().split()) in tags_of(tag_slug(tag))
