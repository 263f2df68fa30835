"""``pfn work`` as a process: beside a serving node, drained by a signal, frozen past its lease, killed and replaced."""

import asyncio
import json
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import PFN, RunningNode, run_node
from tests.support.rows import ON_POSTGRES, open_rows
from tests.support.worker import RunningWorker, make_environment, start_worker
from tests.web.api.conftest import Api

from pfn.testing.faults import hang, trickle
from pfn.testing.publisher import FakePublisher

PATIENCE_S = 60


@asynccontextmanager
async def serving(data: Path, **settings: str) -> AsyncIterator[tuple[RunningNode, Api]]:
    """A node that serves and leaves the work to others."""
    environment = {f"PFN_{name.upper()}": value for name, value in settings.items()}
    running = run_node(data, "--no-work", environment=environment)
    node = await asyncio.to_thread(running.__enter__)
    try:
        async with node.async_client() as http:
            yield node, Api(http)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


@asynccontextmanager
async def working(data: Path, **settings: object) -> AsyncIterator[RunningWorker]:
    worker = await start_worker(data, **settings)
    try:
        yield worker
    finally:
        worker.close()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await asyncio.sleep(0.02)


def read(data: Path, query: str) -> list[Any]:
    with open_rows(data) as rows:
        return rows.execute(query).fetchall()


def leased(data: Path) -> list[Any]:
    return read(data, "SELECT kind, subject FROM schedule WHERE owner IS NOT NULL")


def mirrored(data: Path) -> int:
    return int(read(data, "SELECT count(*) FROM mirrored_plugins")[0][0])


def requested(publisher: FakePublisher, path: str) -> int:
    return sum(request.path == path for request in publisher.requests)


async def subscribe(api: Api, publisher: FakePublisher) -> str:
    """Add a source and subscribe to it while it has nothing; its next sync is due at once."""
    source_id = await api.add(publisher)
    assert (await api.post("subscribe", sourceId=source_id)).status_code == 200
    return source_id


def make_due(data: Path, *kinds: str) -> None:
    with open_rows(data) as rows:
        for kind in kinds:
            rows.execute("UPDATE schedule SET due_at = 0 WHERE kind = ?", [kind])


async def test_a_node_and_a_worker_share_a_folder(tmp_path: Path) -> None:
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher, serving(data) as (_, api), working(data) as worker:
        source_id = await subscribe(api, publisher)
        publisher.add_plugin("hello", "1.0")
        make_due(data, "sync")
        await until(lambda: mirrored(data) == 1)
        await until(lambda: not leased(data))
        rows = {row["kind"]: row for row in await api.get("schedule", sourceId=source_id)}
        assert {row["failures"] for row in rows.values()} == {0}
        assert rows["sync"]["outcome"] is not None
        worker.send(signal.SIGTERM)
        assert await worker.wait() == 0
    said = [json.loads(line) for line in worker.log.read_text().splitlines()]
    ended = {line["work"] for line in said if line["event"] == "work_ended" and line["subject"] == source_id}
    assert {"probe", "sync"} <= ended
    assert all(line["seconds"] >= 0 for line in said if line["event"] == "work_ended")


async def test_serve_works_by_itself(tmp_path: Path) -> None:
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher:
        running = run_node(data, environment={"PFN_WORK": "1"})
        node = await asyncio.to_thread(running.__enter__)
        try:
            async with node.async_client() as http:
                api = Api(http)
                await subscribe(api, publisher)
                publisher.add_plugin("hello", "1.0")
                make_due(data, "sync")
                await until(lambda: mirrored(data) == 1)
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    # The server ends itself by the signal it was sent, when all is done.
    assert node.process.returncode in {0, -signal.SIGTERM}
    assert leased(data) == []


async def test_once_does_what_is_due_prints_it_and_ends(tmp_path: Path) -> None:
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher, serving(data) as (_, api):
        source_id = await subscribe(api, publisher)
        publisher.add_plugin("hello", "1.0")
        make_due(data, "sync", "probe")
        done = await run_once(data)
        assert {(one["kind"], one["subject"]) for one in done} >= {("sync", source_id), ("probe", source_id)}
        assert {one["result"] for one in done} <= {"changed", "unchanged"}
        assert mirrored(data) == 1
        assert [one for one in await run_once(data) if one["subject"] == source_id] == []
        listed = json.loads(await run("schedule", source_id, "--data", str(data), "--json"))
        assert listed == await api.get("schedule", sourceId=source_id)
        assert "last run" in await run("schedule", "--data", str(data))


async def run(*arguments: str) -> str:
    ended = await asyncio.to_thread(
        subprocess.run, [PFN, *arguments], env=make_environment({}), capture_output=True, text=True, check=True
    )
    printed: str = ended.stdout
    return printed


async def run_once(data: Path) -> list[dict[str, Any]]:
    done: list[dict[str, Any]] = json.loads(await run("work", "--data", str(data), "--once", "--json"))
    return done


def test_without_a_node_there_is_nothing_to_do(tmp_path: Path) -> None:
    ended = subprocess.run([PFN, "work", "--data", str(tmp_path / "none")], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "data_missing" in ended.stderr
    assert not (tmp_path / "none").exists()


async def test_a_signal_lets_work_finish_first(tmp_path: Path) -> None:
    """The zip takes a second or two to come, and it still comes when the worker is told to stop."""
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher, serving(data) as (_, api), working(data) as worker:
        await subscribe(api, publisher)
        path = publisher.zip_path("hello", "1.0")
        publisher.add_plugin("hello", "1.0")
        publisher.faults[path] = trickle(pause_s=0.001)
        make_due(data, "sync")
        await until(lambda: requested(publisher, path) == 1)
        worker.send(signal.SIGTERM)
        assert await worker.wait() == 0
        assert mirrored(data) == 1
        assert leased(data) == []
        assert [state for (state,) in read(data, "SELECT state FROM syncs ORDER BY id")][-1] == "finished"


@pytest.mark.slow
async def test_a_signal_gives_back_what_cannot_finish(tmp_path: Path) -> None:
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher, serving(data) as (_, api), working(data) as worker:
        await subscribe(api, publisher)
        path = publisher.zip_path("hello", "1.0")
        publisher.add_plugin("hello", "1.0")
        publisher.faults[path] = trickle(pause_s=1)
        make_due(data, "sync")
        await until(lambda: requested(publisher, path) == 1)
        worker.send(signal.SIGTERM)
        assert await worker.wait() == 0
        assert mirrored(data) == 0
        assert leased(data) == []
        assert read(data, "SELECT due_at, failures FROM schedule WHERE kind = 'sync'") == [(0, 0)]
        assert [state for (state,) in read(data, "SELECT state FROM syncs ORDER BY id")][-1] == "interrupted"
        del publisher.faults[path]
        await run_once(data)
        assert mirrored(data) == 1


def freeze(worker: RunningWorker, data: Path) -> None:
    """Stop a worker, but not in the middle of a transaction: a process that holds SQLite's lock stops all others."""
    if ON_POSTGRES:
        worker.send(signal.SIGSTOP)
        return
    while True:
        worker.send(signal.SIGSTOP)
        rows = sqlite3.connect(data / "node.db", timeout=0.2, isolation_level=None)
        try:
            rows.execute("BEGIN IMMEDIATE")
            rows.execute("ROLLBACK")
        except sqlite3.OperationalError:
            worker.send(signal.SIGCONT)
            time.sleep(0.01)
        else:
            return
        finally:
            rows.close()


@pytest.mark.slow
async def test_a_worker_frozen_past_its_lease_notices_and_does_nothing_twice(tmp_path: Path) -> None:
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher, serving(data, lease_seconds="1") as (_, api):
        source_id = await subscribe(api, publisher)
        path = publisher.zip_path("hello", "1.0")
        publisher.add_plugin("hello", "1.0")
        async with working(data, lease_seconds=1) as frozen:
            publisher.faults[path] = hang()
            make_due(data, "sync")
            await until(lambda: requested(publisher, path) == 1)
            freeze(frozen, data)
            del publisher.faults[path]
            async with working(data, lease_seconds=1) as other:
                await until(lambda: mirrored(data) == 1)
                await until(lambda: not leased(data))
                planned = read(data, "SELECT * FROM schedule WHERE kind = 'sync'")
                frozen.send(signal.SIGCONT)
                await until(lambda: "work_lost" in frozen.log.read_text())
                for worker in (frozen, other):
                    worker.send(signal.SIGTERM)
                    assert await worker.wait() == 0
        assert read(data, "SELECT * FROM schedule WHERE kind = 'sync'") == planned
        assert requested(publisher, path) == 2
        assert read(data, "SELECT count(*) FROM version_updates") == [(1,)]
        states = [sync["state"] for sync in (await api.get("source-status", sourceId=source_id))["syncs"]]
        assert states[:2] == ["finished", "interrupted"]
        lines = [json.loads(line) for line in other.log.read_text().splitlines()]
        assert [line["work"] for line in lines if line["event"] == "work_taken_over"] == ["sync"]


@pytest.mark.skipif(ON_POSTGRES, reason="who has these rows from elsewhere never knows to be alone")
async def test_who_is_alone_after_a_crash_waits_for_no_lease(tmp_path: Path) -> None:
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher:
        async with serving(data) as (_, api):
            await subscribe(api, publisher)
        path = publisher.zip_path("hello", "1.0")
        publisher.add_plugin("hello", "1.0")
        publisher.faults[path] = hang()
        make_due(data, "sync")
        async with working(data, lease_seconds=3600) as worker:
            await until(lambda: requested(publisher, path) == 1)
            await worker.kill()
        assert ("sync",) in {row[:1] for row in leased(data)}
        assert list((data / "blobs" / "tmp").iterdir()) != []
        del publisher.faults[path]
        await run_once(data)
        assert mirrored(data) == 1
        assert leased(data) == []
        assert list((data / "blobs" / "tmp").iterdir()) == []
