"""The catalogue: what each filter keeps, what is said of it, its pages, the list alone, and a node that is closed."""

import secrets
from pathlib import Path

import httpx
from tests.support.node import RunningNode
from tests.support.rows import own_rows
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser, Page
from tests.web.pages.conftest import Held

from pfn.app import build_app, prepare
from pfn.settings import Settings
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

CATALOGUE = "/plugins"


async def publish(api: Api, publisher: FakePublisher) -> str:
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    return source_id


def names(page: Page) -> set[str]:
    """Give the slugs a page lists."""
    paths = {link for link in page.links() if link.startswith("/plugins/")}
    return {path.rpartition("/")[2] for path in paths}


async def test_each_filter_narrows_and_can_be_left_out(stranger: Browser, publisher: FakePublisher, api: Api) -> None:
    publisher.add_plugin("wool-socks", "1.0.0", description="Knitted by zebras.", tags=("haberdashery",))
    publisher.add_plugin("tin-hat", "1.0.0", description="Hammered by okapis.")
    source_id = await publish(api, publisher)
    page = await stranger.open(CATALOGUE, q="knitted zebras")
    assert names(page) == {"wool-socks"}
    assert page.form(CATALOGUE).fields == {
        "q": "knitted zebras",
        "tag": "",
        "author": "",
        "source": "",
        "sort": "updated",
    }
    assert "1 plugin" in page.text
    assert names(await stranger.open(CATALOGUE, tag="haberdashery", source=source_id)) == {"wool-socks"}
    assert names(await stranger.open(CATALOGUE, source=source_id)) == {"wool-socks", "tin-hat"}
    assert names(await stranger.open(CATALOGUE, author=publisher.username)) == {"wool-socks", "tin-hat"}
    nothing = await stranger.open(CATALOGUE, q="quagga", tag="seo", sort="name")
    assert "Nothing here matches." in nothing.text
    assert {"/plugins?tag=seo&sort=name", "/plugins?q=quagga&sort=name", CATALOGUE} <= nothing.links()


async def test_a_level_is_at_least_that(held: Held, publisher: FakePublisher, signing: FakePublisherV2) -> None:
    publisher.add_plugin("named", "1.0.0")
    signing.add_plugin("sealed", "1.0.0")
    for one in (publisher, signing):
        await held.register(one)
    assert names(await held.stranger.open(CATALOGUE, level="artifact")) == {"sealed"}
    assert names(await held.stranger.open(CATALOGUE, level="metadata")) == {"named", "sealed"}
    assert names(await held.stranger.open(CATALOGUE, level="none")) == {"named", "sealed"}
    assert (await held.stranger.open(CATALOGUE, level="utter")).status == 422
    listed = await held.api.http.get("/federation/plugins", params={"level": "artifact"})
    assert [one["plugin_id"] for one in listed.json()["plugins"]] == ["sealed"]


async def test_every_plugin_is_on_one_page(stranger: Browser, publisher: FakePublisher, api: Api) -> None:
    slugs = {f"serial-{number}" for number in range(30)}
    for slug in slugs:
        publisher.add_plugin(slug, "1.0.0", description="A pangolin.")
    await publish(api, publisher)
    first = await stranger.open(CATALOGUE, q="pangolin", sort="name")
    assert "24 plugins on this page, and there are more" in first.text
    second = await stranger.open(next(link for link in first.links() if "cursor=" in link))
    assert names(first).isdisjoint(names(second))
    assert names(first) | names(second) == slugs
    assert "/plugins?q=pangolin&sort=name" in second.links()
    assert "The last 6 plugins" in second.text
    assert (await stranger.open(CATALOGUE, cursor="nonsense")).status == 422


async def test_the_list_alone_is_what_the_page_holds(stranger: Browser, publisher: FakePublisher, api: Api) -> None:
    publisher.add_plugin("lone-list", "1.0.0")
    await publish(api, publisher)
    whole = await stranger.open(CATALOGUE, q="lone-list")
    alone = await stranger.open(CATALOGUE, q="lone-list", fragment="list")
    assert names(alone) == names(whole) == {"lone-list"}
    assert [tag for tag, _ in alone.tags if tag in {"nav", "header", "script"}] == []
    assert not any("fragment" in link for link in alone.links())
    said = [given["data-said"] for _, given in alone.tags if given.get("id") == "list"]
    assert said == ["1 plugin"]


async def test_wordpress_still_gets_its_answers_below_the_same_path(node: RunningNode) -> None:
    async with node.async_client() as http:
        answer = await http.get("/plugins/info/1.2/", params={"action": "plugin_information", "slug": "none-such"})
    assert answer.headers["content-type"].startswith("application/json")


async def test_sources_are_listed_by_state(stranger: Browser, publisher: FakePublisher, api: Api) -> None:
    source_id = await api.add(publisher)
    assert source_id in (await stranger.open("/sources")).text
    assert source_id in (await stranger.open("/sources", status="verified")).text
    assert source_id not in (await stranger.open("/sources", status="suspended")).text
    assert "No source is in this state." in (await stranger.open("/sources", status="removed")).text


async def test_a_closed_node_shows_strangers_the_way_in(tmp_path: Path) -> None:
    key = secrets.token_urlsafe(32)
    settings = Settings(
        data=tmp_path / "node",
        public_url="http://node.test",
        work=False,
        open_catalogue=False,
        master_key=key,
        **own_rows(tmp_path / "node"),
    )
    app = build_app(prepare(settings))
    transport = httpx.ASGITransport(app=app)
    async with app.router.lifespan_context(app):
        browser = Browser(settings.address, transport)
        pages = ("/", CATALOGUE, "/sources", "/activity", "/sources/a@b.example", "/plugins/a@b.example/c")
        for path in pages:
            page = await browser.open(path)
            assert page.status == 401, path
            assert any(link.startswith("/sign-in") for link in page.links())
        await browser.sign_in(key)
        assert [(await browser.open(path)).status for path in pages[:4]] == [200] * 4
        await browser.http.aclose()
