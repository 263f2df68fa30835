"""One sync of a source at a time, whoever asks and in whichever process; who lost it writes nothing more."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.problem import assert_problem
from tests.support.syncing import SyncNode, open_sync_node

from pfn.domain.schedule import Result, Work
from pfn.protocol.errors import Code, PfnError
from pfn.testing.faults import Answer, Fault
from pfn.testing.publisher import FakePublisher

PLUGINS = 12


@pytest.fixture
async def nodes(tmp_path: Path) -> AsyncIterator[tuple[SyncNode, SyncNode]]:
    """Two nodes on one folder, as two processes have, in one time."""
    async with open_sync_node(tmp_path / "node") as first, open_sync_node(tmp_path / "node") as second:
        yield first, second


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    async with FakePublisher("alice") as publisher:
        for number in range(PLUGINS):
            publisher.add_plugin(f"p{number}", "1.0")
        yield publisher


class Gate:
    """A publisher's answer that waits until it is let go, and tells when it was asked for."""

    def __init__(self) -> None:
        self.asked, self.opened = asyncio.Event(), asyncio.Event()

    @property
    def fault(self) -> Fault:
        async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
            self.asked.set()
            await self.opened.wait()
            writer.write(honest.head() + honest.body)
            await writer.drain()

        return play


def zips(publisher: FakePublisher) -> list[str]:
    return [one.path for one in publisher.requests if one.path.endswith(".zip")]


async def states(node: SyncNode, source_id: str) -> list[str]:
    return [sync["state"] for sync in (await node.status(source_id))["syncs"]]


async def test_two_nodes_never_sync_one_source_twice(
    tmp_path: Path, database_url: str, publisher: FakePublisher
) -> None:
    folder, rows = tmp_path / "node", {"database_url": database_url}
    async with open_sync_node(folder, **rows) as first, open_sync_node(folder, **rows) as second:
        source_id = await first.add(publisher)
        answers = await asyncio.gather(*(node.subscribe(source_id) for node in (first, second, first, second)))
        assert sum(answer["mirroredCount"] for answer in answers) == PLUGINS
        assert len(zips(publisher)) == PLUGINS
        assert await states(first, source_id) == ["finished"] * 4
        publisher.add_plugin("p0", "1.1")
        begun = await asyncio.gather(*(node.post("sync", sourceId=source_id) for node in (first, second)))
        assert {(await second.sync(source_id))["state"] for _ in begun} == {"finished"}
        assert len(zips(publisher)) == PLUGINS + 1
        assert set(await states(second, source_id)) == {"finished"}


async def test_who_asks_while_it_runs_follows_the_one_that_runs(
    nodes: tuple[SyncNode, SyncNode], publisher: FakePublisher
) -> None:
    first, second = nodes
    source_id = await first.add(publisher)
    await first.subscribe(source_id, slugs=["none"])
    gate = Gate()
    publisher.faults["/author-data"] = gate.fault
    begun = (await first.post("sync", sourceId=source_id)).json()
    await gate.asked.wait()
    joined = (await second.post("sync", sourceId=source_id)).json()
    assert (begun["joined"], joined["joined"]) == (False, True)
    assert joined["sync"]["id"] == begun["sync"]["id"]
    assert joined["follow"] == begun["follow"]
    # A recheck is more than the one that runs may do.
    assert_problem(await second.post("sync", sourceId=source_id, recheck=True), Code.SYNC_RUNNING)
    # Neither does a worker find it due.
    assert await second.services.leases.claim(Work.SYNC, source_id) is None
    gate.opened.set()
    publisher.faults.clear()
    ended = await second.sync(source_id)
    assert ended["state"] == "finished"
    assert set(await states(first, source_id)) == {"finished"}


async def test_who_lost_the_lease_writes_nothing_more(
    nodes: tuple[SyncNode, SyncNode], publisher: FakePublisher
) -> None:
    slow, quick = nodes
    source_id = await slow.add(publisher)
    gate = Gate()
    path = publisher.zip_path("p3", "1.0")
    publisher.faults[path] = gate.fault
    late = asyncio.create_task(slow.subscribe(source_id))
    await gate.asked.wait()
    # The process sleeps for longer than its lease holds; another takes over and does it all.
    publisher.faults.clear()
    quick.clock.now += 3600
    assert (await quick.work(source_id)).result is Result.CHANGED
    rows = quick.rows()
    gate.opened.set()
    result = await late
    assert result["mirroredCount"] == 0
    changed = quick.changed(rows)
    assert changed == {}
    assert await states(quick, source_id) == ["finished", "interrupted"]
    assert len(await quick.versions(source_id)) == PLUGINS


async def test_what_a_dead_worker_left_running_is_closed_by_whoever_looks(
    nodes: tuple[SyncNode, SyncNode], publisher: FakePublisher
) -> None:
    dead, living = nodes
    source_id = await dead.add(publisher)
    begun = await dead.services.syncs.begin(source_id)
    assert not begun.joined
    found = await living.get(f"syncs/{begun.sync.id}")
    assert found["state"] == "running"
    living.clock.now += 3600
    found = await living.get(f"syncs/{begun.sync.id}")
    assert found["state"] == "interrupted"
    assert found["detail"]
    again = await living.services.syncs.begin(source_id)
    assert again.sync.id != begun.sync.id
    assert await living.services.syncs.recover() == 0
    living.clock.now += 3600
    assert await living.services.syncs.recover() == 1


async def test_a_cancelled_sync_is_marked_and_its_lease_free(
    nodes: tuple[SyncNode, SyncNode], publisher: FakePublisher
) -> None:
    node = nodes[0]
    source_id = await node.add(publisher)
    gate = Gate()
    publisher.faults["/author-data"] = gate.fault
    due_at = (await node.due(source_id)).due_at
    begun = await node.services.syncs.begin(source_id)
    assert begun.lease is not None
    running = asyncio.create_task(node.services.syncs.run(begun.sync, begun.lease))
    await gate.asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await node.get(f"syncs/{begun.sync.id}"))["state"] == "interrupted"
    due = await node.due(source_id)
    assert (due.owner, due.due_at) == (None, due_at)
    gate.opened.set()
    publisher.faults.clear()
    assert (await node.sync(source_id))["state"] == "finished"


async def test_a_source_that_may_not_be_synced_is_not_asked(
    nodes: tuple[SyncNode, SyncNode], publisher: FakePublisher
) -> None:
    node = nodes[0]
    source_id = await node.add(publisher)
    lease = await node.services.leases.claim(Work.SYNC, source_id)
    assert lease is not None
    await node.post("suspend-source", sourceId=source_id, reason="Not now.")
    publisher.requests.clear()
    rows: Any = node.rows()
    assert (await node.services.syncs.run_due(lease)).result is Result.UNCHANGED
    assert publisher.requests == []
    assert node.changed(rows) == {}
    with pytest.raises(PfnError) as caught:
        await node.services.syncs.begin(source_id)
    assert caught.value.code is Code.SOURCE_SUSPENDED


async def test_progress_shows_while_a_batch_is_on_its_way(
    nodes: tuple[SyncNode, SyncNode], publisher: FakePublisher
) -> None:
    node = nodes[0]
    source_id = await node.add(publisher)
    gate = Gate()
    publisher.faults[publisher.zip_path("p9", "1.0")] = gate.fault
    work = asyncio.create_task(node.subscribe(source_id))
    await gate.asked.wait()
    seen: dict[str, Any] = {"done": 0}
    while not seen["done"]:
        await asyncio.sleep(0.05)
        seen = (await node.status(source_id))["syncs"][0]
    assert seen["state"] == "running"
    assert 0 < seen["done"] < PLUGINS
    assert (seen["wanted"], seen["mirrored"]) == (PLUGINS, 0)
    gate.opened.set()
    assert (await work)["mirroredCount"] == PLUGINS
