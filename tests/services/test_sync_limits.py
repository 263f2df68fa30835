"""Where mirroring stops: quotas, a full disk, a publisher that asks for time, a catalogue that lost most of itself."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.problem import assert_problem
from tests.support.syncing import SyncNode, open_sync_node

from pfn.domain.schedule import Outcome, Result
from pfn.protocol.errors import Code
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

DAY = 86_400
BOTH = pytest.mark.parametrize("publisher", [FakePublisher, FakePublisherV2], indirect=True)


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SyncNode]:
    async with open_sync_node(tmp_path / "node") as node:
        yield node


@pytest.fixture
async def publisher(node: SyncNode, request: pytest.FixtureRequest) -> AsyncIterator[FakePublisher]:
    """A publisher of either kind in the node's time."""
    async with getattr(request, "param", FakePublisher)("alice") as publisher:
        publisher.now = int(node.clock.now)
        yield publisher


def publish(publisher: FakePublisher, count: int, version: str = "1.0", *, start: int = 0) -> None:
    for number in range(start, start + count):
        publisher.add_plugin(f"p{number:02}", version)


async def quota(node: SyncNode, source_id: str, **limits: int | None) -> dict[str, Any]:
    answer = await node.post("source-quota", sourceId=source_id, **limits)
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()["quota"]
    assert (await node.status(source_id))["quota"] == shown
    return shown


@BOTH
async def test_plugins_beyond_the_quota_wait_for_room(node: SyncNode, publisher: FakePublisher) -> None:
    publish(publisher, 5)
    source_id = await node.add(publisher)
    await quota(node, source_id, plugins=4)
    result = await node.subscribe(source_id)
    assert (result["mirroredCount"], result["failedCount"]) == (4, 1)
    failure = (await node.failures(source_id))["p04"]
    assert failure["code"] == Code.QUOTA_EXCEEDED.slug
    assert failure["next_retry"] == failure["last_failed"] + DAY
    assert await node.get("quarantine", sourceId=source_id) == []
    fetched = [one.path for one in publisher.requests if one.path.endswith(".zip")]
    assert publisher.zip_path("p04", "1.0") not in fetched
    actions = await node.actions()
    assert (actions["quota_warning"], actions["quota_exceeded"]) == (1, 1)

    # What is there gets its updates; the feed does not repeat itself.
    publish(publisher, 1, "1.1")
    publish(publisher, 1, start=5)
    await node.work(source_id)
    assert (await node.versions(source_id))["p00"] == ["1.1", "1.0"]
    assert (await node.failures(source_id))["p05"]["code"] == Code.QUOTA_EXCEEDED.slug
    actions = await node.actions()
    assert (actions["quota_warning"], actions["quota_exceeded"]) == (1, 1)

    shown = await quota(node, source_id, plugins=6, bytes=None)
    assert shown["plugins"] == {"used": 4, "limit": 6}
    assert (await node.work(source_id)).result is Result.CHANGED
    assert len(await node.versions(source_id)) == 6
    assert await node.failures(source_id) == {}


@BOTH
async def test_bytes_beyond_the_quota_wait_too(node: SyncNode, publisher: FakePublisher) -> None:
    first = publisher.add_plugin("p00", "1.0")
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    shown = await quota(node, source_id, bytes=len(first) + 10)
    assert shown["bytes"] == {"used": len(first), "limit": len(first) + 10}
    # It came near by the limit that was set.
    assert (await node.actions())["quota_warning"] == 1
    publisher.add_plugin("p00", "1.1")
    publisher.add_plugin("p01", "1.0")
    await node.work(source_id)
    failures = await node.failures(source_id)
    assert {failures[slug]["code"] for slug in ("p00", "p01")} == {Code.QUOTA_EXCEEDED.slug}
    assert await node.versions(source_id) == {"p00": ["1.0"]}
    await quota(node, source_id, bytes=0, plugins=0)
    await node.work(source_id)
    assert await node.versions(source_id) == {"p00": ["1.1", "1.0"], "p01": ["1.0"]}


async def test_the_nodes_quota_holds_for_who_has_none(tmp_path: Path) -> None:
    async with open_sync_node(tmp_path / "node", quota_plugins=1) as node, FakePublisher("alice") as publisher:
        publish(publisher, 2)
        source_id = await node.add(publisher)
        assert (await node.subscribe(source_id))["mirroredCount"] == 1
        assert (await node.status(source_id))["quota"]["plugins"] == {"used": 1, "limit": 1}
        assert_problem(await node.post("source-quota", sourceId="a@b.example", plugins=1), Code.SOURCE_UNKNOWN)
        assert_problem(await node.post("source-quota", sourceId=source_id, plugins=-1), Code.INVALID_FIELD)


async def test_a_full_disk_stops_mirroring_not_serving_and_says_so_once(
    node: SyncNode, publisher: FakePublisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.add_plugin("old", "1.0")
    room = SimpleNamespace(free=10**12)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: room)
    async with FakePublisher("bob") as other:
        other.add_plugin("old", "1.0")
        sources = [await node.add(publisher), await node.add(other)]
        for source_id in sources:
            await node.subscribe(source_id)
        room.free = 1000
        for one in (publisher, other):
            one.add_plugin("new", "1.0")
            one.requests.clear()
        for _ in range(2):
            for source_id in sources:
                outcome = await node.work(source_id)
                assert (outcome.result, outcome.detail) == (Result.FAILED, Code.STORAGE_FULL.slug)
        for one in (publisher, other):
            assert not [request for request in one.requests if request.path.endswith(".zip")]
        sync = await node.sync(sources[0])
        assert (sync["state"], sync["code"]) == ("failed", Code.STORAGE_FULL.slug)
        failure = (await node.failures(sources[0]))[""]
        assert failure["code"] == Code.STORAGE_FULL.slug
        download = await node.http.get("/federation/download", params={"source": sources[0], "plugin": "old"})
        assert download.status_code == 200
        actions = await node.actions()
        assert (actions["storage_full"], actions["storage_recovered"], actions["sync_failed"]) == (1, 0, 0)
        feed = await node.get("activity", limit=200)
        said = next(row for row in feed["activities"] if row["details"]["action"] == "storage_full")
        assert said["source_id"] is None

        room.free = 10**12
        for source_id in sources:
            assert (await node.work(source_id)).result is Result.CHANGED
            assert set(await node.versions(source_id)) == {"new", "old"}
            assert await node.failures(source_id) == {}
        actions = await node.actions()
        assert (actions["storage_full"], actions["storage_recovered"]) == (1, 1)
        room.free = 0
        publisher.add_plugin("newer", "1.0")
        await node.work(sources[0])
        assert (await node.actions())["storage_full"] == 2


async def test_the_setting_says_how_much_stays_free(tmp_path: Path) -> None:
    async with (
        open_sync_node(tmp_path / "node", min_free_bytes=2**60) as node,
        FakePublisher("alice") as publisher,
    ):
        publisher.add_plugin("one", "1.0")
        source_id = await node.add(publisher)
        assert (await node.subscribe(source_id))["code"] == Code.STORAGE_FULL.slug
        assert await node.versions(source_id) == {}


@pytest.mark.parametrize("publisher", [FakePublisher, FakePublisherV2], indirect=True)
async def test_a_publisher_that_asks_for_time_gets_it(node: SyncNode, publisher: FakePublisher) -> None:
    publisher.add_plugin("one", "1.0")
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    path = "/author-data" if type(publisher) is FakePublisher else "/.well-known/pfn/catalog.json"
    publisher.faults[path] = faults.status(503, Retry_After="50000")
    assert await node.work(source_id) == Outcome(Result.FAILED, 50_000, Code.PUBLISHER_STATUS.slug)
    assert (await node.due(source_id)).due_at >= node.clock.now + 50_000
    failure = (await node.failures(source_id))[""]
    assert failure["next_retry"] >= node.clock.now + 50_000
    # Nothing was mirrored, so there is no run to tell of.
    assert [sync["state"] for sync in (await node.status(source_id))["syncs"]] == ["finished"]
    publisher.faults[path] = faults.headed(Cache_Control="max-age=40000")
    assert (await node.work(source_id)).wait == 40_000
    assert (await node.due(source_id)).due_at >= node.clock.now + 40_000
    assert await node.failures(source_id) == {}


async def test_who_is_asked_for_too_many_zips_is_left_alone_and_the_rest_comes_later(
    node: SyncNode, publisher: FakePublisher
) -> None:
    publish(publisher, 70)
    busy = [publisher.zip_path(f"p{number:02}", "1.0") for number in (5, 69)]
    publisher.faults[busy[0]] = faults.status(429, Retry_After="7000")
    source_id = await node.add(publisher)
    result = await node.subscribe(source_id)
    assert (result["mirroredCount"], result["failedCount"]) == (63, 1)
    fetched = [one.path for one in publisher.requests if one.path.endswith(".zip")]
    assert busy[1] not in fetched
    sync = (await node.status(source_id))["syncs"][0]
    assert "pause" in sync["detail"]
    assert (await node.failures(source_id))["p05"]["next_retry"] == node.clock.now + 7000
    due_at = (await node.due(source_id)).due_at
    assert due_at >= node.clock.now + 7000
    publisher.faults.clear()
    node.clock.now = due_at
    assert (await node.work(source_id)).result is Result.CHANGED
    page = await node.get("plugins", source=source_id, limit=100)
    assert len(page["plugins"]) == 70


async def shrink(node: SyncNode, publisher: FakePublisher) -> str:
    """Give a source that had twelve plugins and suddenly lists five, with something new among them."""
    publish(publisher, 12)
    source_id = await node.add(publisher)
    assert (await node.subscribe(source_id))["mirroredCount"] == 12
    withdraw(publisher, 7)
    publisher.add_plugin("p11", "1.1")
    assert (await node.work(source_id)).result is Result.CHANGED
    return source_id


def withdraw(publisher: FakePublisher, count: int) -> None:
    for number in range(count):
        publisher.withdraw_plugin(f"p{number:02}")


async def listed(node: SyncNode, source_id: str) -> int:
    return len(await node.services.syncs.list_offer(source_id))


@BOTH
async def test_a_sudden_loss_is_suspected_not_believed(node: SyncNode, publisher: FakePublisher) -> None:
    source_id = await shrink(node, publisher)
    for _ in range(3):
        node.clock.now += DAY
        publisher.now = int(node.clock.now)
        await node.work(source_id)
    assert await listed(node, source_id) == 12
    versions = await node.versions(source_id)
    assert len(versions) == 12
    assert versions["p11"] == ["1.1", "1.0"]
    status = await node.status(source_id)
    assert "Most of the catalogue is missing" in status["syncs"][0]["detail"]
    assert [failure["code"] for failure in status["failures"]] == [Code.LISTING_SHRANK.slug]
    actions = await node.actions()
    assert (actions["listing_shrank"], actions["listing_shrink_accepted"]) == (1, 0)

    publish(publisher, 7)
    await node.work(source_id)
    assert await node.failures(source_id) == {}
    actions = await node.actions()
    assert (actions["listing_shrank"], actions["listing_recovered"]) == (1, 1)
    assert await listed(node, source_id) == 12


@BOTH
async def test_a_loss_that_lasts_a_week_is_believed_and_what_is_mirrored_stays(
    node: SyncNode, publisher: FakePublisher
) -> None:
    source_id = await shrink(node, publisher)
    began = node.clock.now
    node.clock.now += 7 * DAY - 1
    await node.work(source_id)
    assert await listed(node, source_id) == 12
    # It is looked at then, however quiet it is.
    due = await node.due(source_id)
    assert due.due_at <= began + 7 * DAY
    node.clock.now += 1
    publisher.requests.clear()
    await node.work(source_id)
    assert len(publisher.requests) == 1
    assert await listed(node, source_id) == 5
    assert await node.failures(source_id) == {}
    actions = await node.actions()
    assert (actions["listing_shrank"], actions["listing_shrink_accepted"]) == (1, 1)
    assert len(await node.versions(source_id)) == 12
    # And that is that.
    await node.work(source_id)
    assert (await node.actions())["listing_shrank"] == 1


@BOTH
async def test_a_catalogue_that_loses_a_few_just_did(node: SyncNode, publisher: FakePublisher) -> None:
    publish(publisher, 12)
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    withdraw(publisher, 3)
    await node.work(source_id)
    assert await listed(node, source_id) == 9
    assert len(await node.versions(source_id)) == 12
    assert (await node.actions())["listing_shrank"] == 0
