"""Somebody else's plugin under a slug that sites know: a newer version, more trust, nobody home (docs/decisions/010).

Each test asks as WordPress does, which knows the folder and nothing else.
"""

import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.contest import SLUG, Contested, contest
from tests.support.mesh import befriend, follow, read, register, sync
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time

from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

FILE = f"{SLUG}/{SLUG}.php"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node", clock=Time()) as node:
        yield node


@pytest.fixture
async def two(node: ServedNode) -> AsyncIterator[Contested]:
    """Alice's plugin, and Mallory's of the same slug with a higher version and trust."""
    async with contest(node) as two:
        yield two


def theme_zip(version: str) -> bytes:
    """Make a theme whose folder is SLUG."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(f"{SLUG}/style.css", f"/*\nTheme Name: Calm\nVersion: {version}\nLicense: GPLv2\n*/\n")
        archive.writestr(f"{SLUG}/index.php", "<?php\n")
    return buffer.getvalue()


async def update(node: ServedNode, *, version: str = "0.9", update_uri: str = "") -> dict[str, Any] | None:
    """Give what a site that has SLUG in this version is told to put in its place."""
    header = {"Name": "Calm Gallery", "Version": version, "UpdateURI": update_uri}
    said = json.dumps({"plugins": {FILE: header}, "active": [FILE]})
    answer = await node.http.post("/plugins/update-check/1.1/", data={"plugins": said, "all": "true"})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"plugins", "no_update", "translations"}
    found: dict[str, Any] | None = dict(body["plugins"]).get(FILE)
    return found


async def names_in_directory(node: ServedNode) -> set[tuple[str, str]]:
    """Give (slug, name) of all that the install screen of a site lists under the slug."""
    query = {"action": "query_plugins", "request[search]": "calm"}
    listed = (await node.http.get("/plugins/info/1.2/", params=query)).json()
    assert listed["info"]["results"] == len(listed["plugins"])
    return {(one["slug"], one["name"]) for one in listed["plugins"]}


async def details(node: ServedNode) -> dict[str, Any]:
    query = {"action": "plugin_information", "request[slug]": SLUG}
    found: dict[str, Any] = (await node.http.get("/plugins/info/1.2/", params=query)).json()
    return found


async def assert_speaks(node: ServedNode, publisher: FakePublisher, version: str) -> None:
    """Check that every view by bare slug gives this publisher's release of SLUG, and nobody else's."""
    source = f"{publisher.username}@"
    offered = await update(node)
    assert offered is not None
    assert offered["new_version"] == version
    assert f"/dl/{source}" in offered["package"]
    found = await details(node)
    assert (found["version"], f"/dl/{source}" in found["download_link"]) == (version, True)
    assert await names_in_directory(node) == {(SLUG, found["name"])}


async def test_a_newcomer_with_a_higher_version_and_trust_is_not_offered_and_reported(
    node: ServedNode, two: Contested
) -> None:
    await assert_speaks(node, two.alice, "1.0")
    assert await update(node, version="1.0") is None
    [event] = (await node.get("activity", action="slug_contested"))["activities"]
    assert (event["source_id"], event["plugin_id"], event["details"]["holder"]) == (two.newcomer, SLUG, two.holder)
    assert f"pfn slug pin {SLUG} {two.newcomer}" in event["details"]["sentence"]
    # Under its own name it is served all the same.
    page = await node.get("plugins", source=two.newcomer)
    assert {row["plugin_id"] for row in page["plugins"]} == {SLUG, "other"}


async def test_the_report_reaches_feeds_and_webhooks(node: ServedNode) -> None:
    made = await node.post("webhooks", url="http://127.0.0.1:9/hook")
    async with contest(node) as two:
        feed = (await node.http.get("/federation/activity.json", params={"action": "slug_contested"})).json()
        assert [item["_pfn"]["source_id"] for item in feed["items"]] == [two.newcomer]
        await node.services.webhooks.notify()
        sent = await node.get(f"webhooks/{made.json()['webhook']['id']}/deliveries")
        assert [one["type"] for one in sent["deliveries"]].count("federation_event.slug_contested") == 1


async def test_a_newer_release_of_the_newcomer_changes_nothing(node: ServedNode, two: Contested) -> None:
    two.mallory.add_plugin(SLUG, "99.0")
    await sync(node, two.newcomer)
    await assert_speaks(node, two.alice, "1.0")
    assert (await node.actions()).count("slug_contested") == 1


@pytest.mark.parametrize(
    ("away", "how"), [("suspend-source", {}), ("remove-source", {}), ("remove-source", {"purge": True})]
)
async def test_nobody_steps_in_for_a_holder_that_is_away(
    node: ServedNode, two: Contested, away: str, how: dict[str, bool]
) -> None:
    assert (await node.post(away, sourceId=two.holder, **how)).status_code == 200
    assert await update(node) is None
    assert "error" in await details(node)
    assert await names_in_directory(node) == set()
    two.mallory.add_plugin(SLUG, "99.0")
    await sync(node, two.newcomer)
    assert await node.services.slugs.fill() == 0
    assert await update(node) is None
    assert (await node.get(f"slugs/{SLUG}"))["source_id"] == two.holder
    # Only a word does it.
    await node.post("slugs/pin", slug=SLUG, sourceId=two.newcomer)
    await assert_speaks(node, two.mallory, "99.0")


async def test_nobody_steps_in_for_a_holder_that_withdrew_everything(node: ServedNode) -> None:
    async with FakePublisherV2("alice", now=int(node.clock.now)) as alice, FakePublisher("mallory") as mallory:
        alice.add_plugin(SLUG, "1.0")
        mallory.add_plugin(SLUG, "9.0")
        holder = await follow(node, alice)
        await follow(node, mallory)
        alice.yank(SLUG, "1.0", "It loses data.")
        await sync(node, holder)
        assert await update(node) is None
        assert "It loses data." in str(await details(node))
        # And it comes back to no other's.
        alice.add_plugin(SLUG, "1.1")
        await sync(node, holder)
        await assert_speaks(node, alice, "1.1")


async def test_the_operators_word_moves_a_slug_is_an_event_and_can_be_taken_back(
    node: ServedNode, two: Contested
) -> None:
    await node.post("slugs/pin", slug=SLUG, sourceId=two.newcomer)
    await assert_speaks(node, two.mallory, "9.0")
    [event] = (await node.get("activity", action="slug_pinned"))["activities"]
    assert (event["source_id"], event["plugin_id"], event["details"]["before"]) == (two.newcomer, SLUG, two.holder)
    two.alice.add_plugin(SLUG, "10.0")
    await sync(node, two.holder)
    await assert_speaks(node, two.mallory, "9.0")
    await node.post("slugs/pin", slug=SLUG, sourceId=two.holder)
    await assert_speaks(node, two.alice, "10.0")


async def test_a_source_that_comes_through_a_peer_obeys_the_same(tmp_path: Path, node: ServedNode) -> None:
    async with (
        serve_node(tmp_path / "peer", clock=Time()) as peer,
        FakePublisher("alice") as alice,
        FakePublisherV2("mallory") as mallory,
    ):
        alice.add_plugin(SLUG, "1.0")
        mallory.add_plugin(SLUG, "9.0")
        await follow(node, alice)
        source = await follow(peer, mallory)
        await register(node, mallory)
        await mallory.__aexit__(None, None, None)
        await read(node, await befriend(node, peer, first="peers"), times=3)
        page = await node.get("plugins", source=source)
        assert [row["version"] for row in page["plugins"]] == ["9.0"]
        await assert_speaks(node, alice, "1.0")
        assert (await node.actions()).count("slug_contested") == 1


async def test_an_update_uri_to_the_newcomer_is_not_answered_by_the_holder(node: ServedNode, two: Contested) -> None:
    ours = f"{node.url}/plugins/{{}}/{SLUG}"
    assert await update(node, update_uri=ours.format(two.newcomer)) is None
    assert await update(node, update_uri=ours.format(two.holder)) is not None


async def test_a_theme_of_the_same_slug_is_no_way_round(node: ServedNode, two: Contested) -> None:
    async with FakePublisher("trudy") as trudy:
        trudy.add_plugin(SLUG, "50.0", content=theme_zip("50.0"))
        source = await follow(node, trudy)
        shown = await node.get(f"slugs/{SLUG}")
        assert {one["source_id"] for one in shown["contests"]} == {two.newcomer, source}
        await assert_speaks(node, two.alice, "1.0")
        said = json.dumps({"active": SLUG, "themes": {SLUG: {"Name": "Calm", "Version": "0.1", "Stylesheet": SLUG}}})
        answer = await node.http.post("/themes/update-check/1.1/", data={"themes": said})
        assert not answer.json()["themes"]
