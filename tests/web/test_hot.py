"""Answers given again: the same for everybody, by the same rules, and not once after anything was written."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time

from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.links import zip_path

SLUG = "calm-gallery"
LIST = "/federation/plugins"
INFO = f"/plugins/info/1.2/?action=plugin_information&request%5Bslug%5D={SLUG}"
BROWSE = "/plugins/info/1.2/?action=query_plugins&request%5Bbrowse%5D=popular"
CHECKPOINT = "/log/checkpoint"
PAGES = ["/", "/plugins", "/plugins?q=calm", "/sources", "/activity", "/about"]


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisherV2]:
    async with FakePublisherV2("alice", now=int(Time().now)) as publisher:
        publisher.add_plugin(SLUG, "1.0")
        yield publisher


@pytest.fixture
async def node(tmp_path: Path, publisher: FakePublisherV2) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node", clock=Time()) as node:
        if node.services.changes() is None:
            pytest.skip("these rows cannot tell that they changed")
        await follow(node, publisher)
        # The first reader has the log's newest tree signed, which is a write.
        await node.http.get(LIST)
        yield node


@pytest.fixture
async def reader(node: ServedNode) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key."""
    async with httpx.AsyncClient(base_url=node.url) as reader:
        yield reader


@contextmanager
def statements(node: ServedNode) -> Iterator[list[str]]:
    """Gather what the rows are asked in the block."""
    asked: list[str] = []
    engine = node.services.syncs._database.engine.sync_engine

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", [LIST, INFO, BROWSE, CHECKPOINT, *PAGES])
async def test_the_second_to_ask_is_told_the_same_without_a_look_at_the_rows(
    node: ServedNode, reader: httpx.AsyncClient, path: str
) -> None:
    first = await reader.get(path)
    with statements(node) as asked:
        second = await reader.get(path)
    assert asked == []
    assert (second.status_code, second.content) == (200, first.content)
    own = {"x-request-id", "date"}
    assert {name: value for name, value in second.headers.items() if name not in own} == {
        name: value for name, value in first.headers.items() if name not in own
    }
    assert second.headers["x-request-id"] != first.headers["x-request-id"]


@pytest.mark.parametrize("path", [LIST, INFO, CHECKPOINT])
async def test_what_is_unchanged_is_said_to_be_without_a_look(
    node: ServedNode, reader: httpx.AsyncClient, path: str
) -> None:
    etag = (await reader.get(path)).headers["etag"]
    with statements(node) as asked:
        same = await reader.get(path, headers={"If-None-Match": etag})
        other = await reader.get(path, headers={"If-None-Match": '"other"'})
    assert asked == []
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    assert "content-security-policy" in same.headers
    assert other.status_code == 200


async def test_who_only_ever_asks_whether_it_changed_is_told_without_a_look(
    node: ServedNode, reader: httpx.AsyncClient
) -> None:
    etag = (await reader.get(LIST)).headers["etag"]
    async with node.database.write() as connection:
        # A write that changes nothing anybody sees.
        await connection.execute(text("UPDATE sources SET last_sync = last_sync"))
    for _ in range(2):
        assert (await reader.get(LIST, headers={"If-None-Match": etag})).status_code == 304
    with statements(node) as asked:
        assert (await reader.get(LIST, headers={"If-None-Match": etag})).status_code == 304
    assert asked == []


async def test_nothing_is_given_again_after_any_write(
    node: ServedNode, reader: httpx.AsyncClient, publisher: FakePublisherV2
) -> None:
    before = (await reader.get(LIST)).json()
    assert (await reader.get(LIST)).json() == before
    publisher.add_plugin(SLUG, "1.1")
    await sync(node, before["plugins"][0]["source_id"])
    after = (await reader.get(LIST)).json()
    assert [plugin["version"] for plugin in after["plugins"]] == ["1.1"]


async def test_what_is_taken_down_is_gone_at_once(node: ServedNode, reader: httpx.AsyncClient) -> None:
    plugin = (await reader.get(LIST)).json()["plugins"][0]
    path = zip_path(plugin["source_id"], SLUG, "1.0")
    for _ in range(3):
        assert (await reader.get(path)).status_code == 200
        assert (await reader.get(INFO)).status_code == 200
    await node.post("suspend-source", sourceId=plugin["source_id"], reason="It does harm.")
    assert (await reader.get(path)).json()["code"] == "source_suspended"
    assert (await reader.get(INFO)).json()["error"] == "closed"
    assert (await reader.get(LIST)).json()["plugins"] == []


async def test_a_page_is_kept_in_each_language_by_itself(node: ServedNode, reader: httpx.AsyncClient) -> None:
    asked = {"de": "de-AT,de;q=0.9", "en": "en-GB", "": "fr, en;q=0.5"}
    first = {name: await reader.get("/about", headers={"Accept-Language": asked[name]}) for name in asked}
    with statements(node) as looked:
        again = {name: await reader.get("/about", headers={"Accept-Language": asked[name]}) for name in asked}
    assert looked == []
    assert {name: page.text for name, page in again.items()} == {name: page.text for name, page in first.items()}
    assert {name: page.headers["content-language"] for name, page in again.items()} == {
        "de": "de",
        "en": "en",
        "": "en",
    }
    assert "Über diesen Knoten" in again["de"].text


async def test_a_plugins_page_is_gone_with_its_source_and_a_look_at_its_bytes_is_always_new(
    node: ServedNode, reader: httpx.AsyncClient
) -> None:
    source_id = (await reader.get(LIST)).json()["plugins"][0]["source_id"]
    page = f"/plugins/{source_id}/{SLUG}"
    for path in (page, f"/sources/{source_id}"):
        first = await reader.get(path)
        with statements(node) as asked:
            assert (await reader.get(path)).text == first.text
        assert asked == []
    for _ in range(2):
        with statements(node) as asked:
            assert (await reader.get(f"{page}/verify")).status_code == 200
        assert asked
    await node.post("suspend-source", sourceId=source_id, reason="It does harm.")
    assert (await reader.get(page)).status_code == 409
    assert "It does harm." in (await reader.get("/activity")).text


async def test_who_chose_a_language_is_answered_in_the_usual_way(node: ServedNode, reader: httpx.AsyncClient) -> None:
    for _ in range(2):
        chosen = await reader.get("/about?lang=de")
        assert "pfn-lang" in chosen.headers["set-cookie"]
    assert (await reader.get("/about")).headers["content-language"] == "de"
    reader.cookies.clear()
    assert (await reader.get("/about")).headers["content-language"] == "en"


async def test_keys_sessions_and_ranges_are_answered_in_the_usual_way(
    node: ServedNode, reader: httpx.AsyncClient
) -> None:
    await reader.get(LIST)
    for headers in ({"Authorization": "Bearer x"}, {"Cookie": "session=x"}, {"Range": "bytes=0-1"}):
        with statements(node) as asked:
            assert (await reader.get(LIST, headers=headers)).status_code == 200
        assert asked, headers


async def test_a_zip_given_again_is_counted_again(node: ServedNode, reader: httpx.AsyncClient) -> None:
    plugin = (await reader.get(LIST)).json()["plugins"][0]
    path = zip_path(plugin["source_id"], SLUG, "1.0")
    bodies = {(await reader.get(path)).content for _ in range(4)}
    with statements(node) as asked:
        bodies.add((await reader.get(path)).content)
        composer = await reader.get(path, headers={"User-Agent": "Composer/2.8"})
    assert asked == []
    assert bodies == {composer.content}
    await node.services.usage.flush()
    usage = await node.services.usage.totals([(plugin["source_id"], SLUG)])
    assert usage[plugin["source_id"], SLUG].downloads == 5


async def test_an_answer_given_again_counts_in_the_metrics(node: ServedNode, reader: httpx.AsyncClient) -> None:
    async def count() -> float:
        shown = (await reader.get("/metrics", headers={"Authorization": f"Bearer {node.key}"})).text
        name = 'pfn_http_requests_total{method="GET",route="/federation/plugins",status="200"}'
        return sum(float(line.rpartition(" ")[2]) for line in shown.splitlines() if line.startswith(name))

    before = await count()
    for _ in range(3):
        await reader.get(LIST)
    assert await count() == before + 3
