"""What holds for every page: a strict policy it keeps to, nothing from elsewhere, structure that can be read aloud."""

import re
from pathlib import Path

import pytest
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page

import pfn.web
from pfn.testing.publisher import FakePublisher

PAGES = (
    *(
        "/",
        "/plugins",
        "/plugins?q=nothing-like-it&level=artifact",
        "/sources",
        "/sign-in",
        "/docs",
        "/nowhere",
        "/activity",
        "/sources/add",
    ),
    *("/sources/{id}", "/sources/{id}/remove", "/plugins/{id}/hello", "/plugins/{id}/hello/verify"),
    *("/sources/{id}/lift-gate", "/sources/{id}/custody", "/quarantine", "/quarantine/{item}/drop"),
    *("/quarantine/{item}", "/conflicts", "/conflicts/{id}/{digest}"),
    *("/subscriptions", "/subscriptions/new?source={id}&tags=none", "/subscriptions/{own}", "/subscriptions/{own}/end"),
    *("/webhooks", "/webhooks/{webhook}", "/webhooks/{webhook}/remove"),
    *("/webhooks/add", "/webhooks/{webhook}/change", "/webhooks/{webhook}/rotate"),
    *("/about", "/peers", "/log", "/slugs"),
    *("/care", "/care/garbage", "/care/retention?versions=1&days=0"),
)
STATIC = Path(pfn.web.__file__).parent / "static"


@pytest.fixture(params=PAGES)
async def pages(
    request: pytest.FixtureRequest, operator: Browser, stranger: Browser, publisher: FakePublisher, api: Api
) -> list[Page]:
    """One page, as the operator and as a stranger sees it."""
    path: str = request.param
    if "{item}" in path:
        publisher.add_plugin("bad", "1.0.0", content=b"no zip")
        source_id = await api.add(publisher)
        await operator.submit(await operator.open(f"/sources/{source_id}"), f"/sources/{source_id}/subscribe")
        path = path.format(item=(await api.get("quarantine", sourceId=source_id))[0]["id"])
    if "{webhook}" in path:
        made = await api.post("webhooks", url="http://127.0.0.1:9/hook", description="for tests")
        path = path.format(webhook=made.json()["webhook"]["id"])
        await api.post(f"webhooks/{made.json()['webhook']['id']}/test")
    if "{id}" in path or "{own}" in path:
        publisher.add_plugin("hello", "1.0.0", tags=("a tag",))
        source_id = await api.add(publisher)
        await operator.submit(await operator.open(f"/sources/{source_id}"), f"/sources/{source_id}/subscribe")
        # Other bytes for a known version: one in quarantine, evidence, and a gate.
        publisher.add_plugin("hello", "1.0.0", description="Other bytes.")
        await api.sync(source_id, recheck=True)
        path = path.replace("{id}", source_id)
        path = path.replace("{own}", str((await api.get("subscriptions", sourceId=source_id))[0]["id"]))
        if "{digest}" in path:
            path = path.replace("{digest}", (await api.get("evidence", sourceId=source_id))[0]["digest"])
    return [await browser.open(path) for browser in (operator, stranger)]


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(pages: list[Page]) -> None:
    for page in pages:
        policy = page.answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        for tag, given in page.tags:
            assert tag not in {"style", "iframe", "object", "base", "img"}
            assert not [name for name in given if name == "style" or name.startswith("on")]
            assert not given.get("href", "").strip().lower().startswith(("javascript:", "data:"))
            if tag == "link":
                feed = given["rel"] == "alternate"
                assert given["href"].startswith("/federation/activity." if feed else "/static/")
            if tag == "form":
                assert given["action"].startswith("/")
        assert not [given for tag, given in page.tags if "srcset" in given or ("src" in given and tag != "script")]
        assert page.foreign_scripts() == []


def test_the_structure_can_be_read_aloud(pages: list[Page]) -> None:
    for page in pages:
        tags = [tag for tag, _ in page.tags]
        assert page.open == []
        assert dict(page.tags)["html"] == {"lang": "en"}
        assert tags.count("h1") == 1
        assert tags.count("main") == 1
        # A drawing may have titles of its own.
        assert tags[: tags.index("body")].count("title") == 1
        ids = [given["id"] for _, given in page.tags if "id" in given]
        assert len(ids) == len(set(ids))
        for _, given in page.tags:
            for name in ("aria-labelledby", "aria-describedby", "for"):
                assert set(given.get(name, "").split()) <= set(ids)
        labelled = {given["for"] for tag, given in page.tags if tag == "label"}
        for tag, given in page.tags:
            if tag in {"input", "select", "textarea"} and given.get("type") != "hidden":
                assert given["id"] in labelled
            if tag == "svg":
                named = given.get("role") == "img" and given.get("aria-labelledby")
                assert named or given["aria-hidden"] == "true"


def test_the_assets_are_served_for_good(pages: list[Page]) -> None:
    assert {given["href"] for tag, given in pages[0].tags if tag == "link"} == {
        given["href"] for tag, given in pages[1].tags if tag == "link"
    }


async def test_an_asset_is_kept_by_browsers_and_named_by_its_content(stranger: Browser) -> None:
    page = await stranger.open("/")
    links = [given["href"] for tag, given in page.tags if tag == "link" and given["rel"] != "alternate"]
    for url in (*links, *(given["src"] for tag, given in page.tags if tag == "script")):
        answer = await stranger.http.get(url)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.content == (STATIC / url.rpartition("/")[2]).read_bytes()
        changed = re.sub(r"/static/.", "/static/x", url)
        assert (await stranger.http.get(changed)).status_code == 404


def test_the_stylesheet_fetches_nothing() -> None:
    text = (STATIC / "pfn.css").read_text()
    assert "url(" not in text
    assert "@import" not in text


def test_colours_are_named_in_one_place() -> None:
    _, _, rest = (STATIC / "pfn.css").read_text().partition("@layer base {")
    assert not re.findall(r"#[0-9a-f]{3,8}\b|oklch\(|rgb\(|hsl\(", rest)
