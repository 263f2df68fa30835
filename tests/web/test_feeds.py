"""The feeds of a real node: of all, of a source, of a plugin; for everyone, and asked again for nothing."""

from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from tests.domain.test_feed import A, assert_valid_atom, assert_valid_json_feed
from tests.support.node import RunningNode
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api, api, publisher
from tests.web.pages.browser import Browser

from pfn.protocol.errors import Code
from pfn.testing.publisher import FakePublisher

__all__ = ["api", "publisher"]

FORMATS = ("atom", "json")


@pytest.fixture
async def source(api: Api, publisher: FakePublisher) -> str:
    """A source with two plugins whose names have markup in them."""
    publisher.add_plugin("one", "1.0", name="One & <b>only</b>")
    publisher.add_plugin("two", "3.0")
    source_id = await api.add(publisher)
    await api.post("subscribe", sourceId=source_id)
    return source_id


async def get(node: RunningNode, suffix: str, headers: dict[str, str] | None = None, **query: Any) -> httpx.Response:
    """Ask for a feed without a key."""
    async with node.async_client("") as http:
        return await http.get(f"/federation/activity.{suffix}", params=query, headers=headers)


async def read(node: RunningNode, **query: Any) -> tuple[ET.Element, dict[str, Any]]:
    """Give both feeds of the same events, having checked that they are valid."""
    atom, json = [await get(node, suffix, **query) for suffix in FORMATS]
    assert (atom.status_code, json.status_code) == (200, 200), atom.text + json.text
    feed = assert_valid_atom(atom.content)
    assert_valid_json_feed(json.json())
    return feed, json.json()


async def test_both_feeds_say_what_happened_newest_first(node: RunningNode, api: Api, source: str) -> None:
    atom, json = await read(node, source=source)
    rows = (await api.get("activity", source=source, private="false"))["activities"]
    sentences = [row["details"]["sentence"] for row in rows]
    assert [entry.findtext(f"{A}content") for entry in atom.findall(f"{A}entry")] == sentences
    assert [item["content_text"] for item in json["items"]] == sentences
    assert [item["_pfn"]["seq"] for item in json["items"]] == [row["seq"] for row in rows]
    assert [entry.findtext(f"{A}id") for entry in atom.findall(f"{A}entry")] == [one["id"] for one in json["items"]]
    assert any("One & <b>only</b>" in sentence for sentence in sentences)
    # Which key did it is between the node and its key holders.
    assert not any({"actor", "notified"} & set(item["_pfn"]) for item in json["items"])


async def test_feeds_are_of_the_node_of_a_source_and_of_a_plugin(node: RunningNode, source: str) -> None:
    _, of_node = await read(node, limit=200)
    atom, of_source = await read(node, source=source)
    _, of_plugin = await read(node, source=source, plugin="one")
    _, updates = await read(node, source=source, kind="version_update", limit=1)
    assert {item["_pfn"]["source_id"] for item in of_source["items"]} == {source}
    assert {item["_pfn"]["plugin_id"] for item in of_plugin["items"]} == {"one"}
    assert [item["_pfn"]["type"] for item in updates["items"]] == ["version_update"]
    assert {item["id"] for item in of_source["items"]} <= {item["id"] for item in of_node["items"]}
    assert atom.findtext(f"{A}title") == f"{source} at {node.url.partition('://')[2]}"
    links = {link.attrib["rel"]: link.attrib["href"] for link in atom.findall(f"{A}link")}
    assert links["self"] == str(httpx.URL(f"{node.url}/federation/activity.atom", params={"source": source}))
    async with node.async_client("") as http:
        for address in (*links.values(), *(item["url"] for item in of_plugin["items"])):
            assert (await http.get(address)).status_code == 200, address


async def test_private_events_are_in_no_feed_whoever_asks(node: RunningNode, source: str) -> None:
    for suffix in FORMATS:
        for key in ("", node.admin_key):
            async with node.async_client(key) as http:
                text = (await http.get(f"/federation/activity.{suffix}?limit=200&private=true")).text
            assert "subscribed" not in text
            assert "API key" not in text


@pytest.mark.parametrize("suffix", FORMATS)
async def test_nothing_new_costs_nothing(node: RunningNode, api: Api, source: str, suffix: str) -> None:
    first = await get(node, suffix, source=source)
    kept = {"If-None-Match": first.headers["etag"]}
    same = await get(node, suffix, kept, source=source)
    assert (same.status_code, same.content) == (304, b"")
    for answer in (first, same):
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, max-age=60"
        assert answer.headers["etag"] == first.headers["etag"]
        assert answer.headers["last-modified"].endswith("GMT")
    assert (await get(node, suffix, kept, source=source, plugin="one")).status_code == 200
    # What is private changes no feed; what is public does.
    node.create_key()
    assert (await get(node, suffix, kept, source=source)).status_code == 304
    await api.post("suspend-source", sourceId=source, reason="A test.")
    changed = await get(node, suffix, kept, source=source)
    assert changed.status_code == 200
    assert "A test." in changed.text


async def test_media_types(node: RunningNode) -> None:
    types = [(await get(node, suffix)).headers["content-type"] for suffix in FORMATS]
    assert types == ["application/atom+xml; charset=utf-8", "application/feed+json; charset=utf-8"]


async def test_a_feed_of_nothing_is_a_feed(node: RunningNode) -> None:
    atom, json = await read(node, source="nobody@nowhere.example")
    assert atom.findall(f"{A}entry") == json["items"] == []


async def test_a_wrong_limit_is_refused(node: RunningNode) -> None:
    assert_problem(await get(node, "atom", limit=0), Code.INVALID_FIELD)


async def test_pages_tell_readers_where_the_feeds_are(node: RunningNode, source: str) -> None:
    browser = Browser(node.url)
    for path, title in (
        ("/", None),
        (f"/sources/{source}", f"{source} at "),
        (f"/plugins/{source}/one", f"one of {source} at "),
    ):
        page = await browser.open(path)
        links = [given for tag, given in page.tags if tag == "link" and given["rel"] == "alternate"]
        assert {link["type"] for link in links} == {"application/atom+xml", "application/feed+json"}
        found = [await browser.http.get(link["href"]) for link in links]
        assert all(answer.status_code == 200 for answer in found)
        assert found[0].text.count("<title>Activity at ") == 1
        if title:
            assert any(answer.text.count(f"<title>{title}") for answer in found)
    await browser.http.aclose()
