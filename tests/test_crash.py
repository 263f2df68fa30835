"""A node or worker killed with SIGKILL anywhere: nothing lost, nothing half there, no work left undone."""

import asyncio
import hashlib
import os
import random
import signal
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.node import PFN, RunningNode, start_node
from tests.support.worker import start_worker
from tests.web.api.conftest import Api

from pfn.testing.publisher import FakePublisher

PLUGINS = 150
NODE_ROUNDS = 8
# So many workers are killed in all; CI asks for more than a laptop has patience for.
ROUNDS = int(os.environ.get("PFN_CRASH_ROUNDS", "6"))
ROUNDS_OF_ONE_TEST = 10
# Everything is due all the time, and who is dead is found out soon.
QUICK = {"lease_seconds": 1, "work_concurrency": 2} | dict.fromkeys(
    ("sync_every", "probe_every", "verify_every", "recheck_every"), 1
)


@asynccontextmanager
async def started(data: Path) -> AsyncIterator[tuple[RunningNode, Api]]:
    node = await asyncio.to_thread(start_node, data, environment={"PFN_MASTER_KEY": "a master key for this test"})
    try:
        async with node.async_client(node.master_key) as http:
            yield node, Api(http)
    finally:
        if node.process.poll() is None:
            node.kill()
        assert node.process.stdout is not None
        node.process.stdout.close()


def assert_whole(data: Path) -> set[tuple[str, str]]:
    """Check that rows and bytes agree, and give what is mirrored."""
    with sqlite3.connect(data / "node.db") as rows:
        # One state for all that is asked: another worker may be writing.
        rows.execute("BEGIN")
        assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert rows.execute("PRAGMA foreign_key_check").fetchall() == []
        mirrored = rows.execute("SELECT plugin_id, version, local_path, sha256 FROM mirrored_plugins").fetchall()
        listed = {row[0] for row in rows.execute("SELECT plugin_id FROM plugins")}
        updates = rows.execute("SELECT plugin_id, count(*) FROM version_updates GROUP BY plugin_id").fetchall()
        placed = rows.execute("SELECT plugin_id, version, log_index FROM mirrored_plugins").fetchall()
        logged = rows.execute("SELECT plugin_id, version, idx FROM log_leaves WHERE kind = 'release'").fetchall()
    for _, _, local_path, digest in mirrored:
        assert hashlib.sha256((data / "blobs" / local_path).read_bytes()).hexdigest() == digest
    # Every stored plugin is listed and was announced once, or the transaction was none.
    assert listed == {row[0] for row in mirrored}
    assert dict(updates) == dict.fromkeys(listed, 1)
    # Visible exactly when logged: each release has one leaf, and each leaf its release.
    assert sorted(placed) == sorted(logged)
    return {(row[0], row[1]) for row in mirrored}


def assert_log_holds(data: Path) -> None:
    """Look the whole log over as an operator does; what was signed before the kill is still there."""
    done = subprocess.run([PFN, "log", "check", "--data", str(data)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


async def test_a_node_killed_anywhere_in_a_sync_goes_on_where_it_was(tmp_path: Path) -> None:
    dice = random.Random(7)
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher:
        for number in range(PLUGINS):
            publisher.add_plugin(f"plugin-{number}", "1.0")
        async with started(data) as (_, api):
            source_id = await api.add(publisher)
        before: set[tuple[str, str]] = set()
        for _ in range(NODE_ROUNDS):
            async with started(data) as (node, api):
                work = asyncio.create_task(api.post("subscribe", sourceId=source_id))
                await asyncio.sleep(dice.uniform(0.0, 0.6))
                # Whoever reads the log meanwhile has its tree signed, which must then never be lost.
                await asyncio.wait([asyncio.create_task(api.http.get("/log/checkpoint"))], timeout=0.6)
                node.kill()
                await asyncio.gather(work, return_exceptions=True)
            now = assert_whole(data)
            await asyncio.to_thread(assert_log_holds, data)
            assert before <= now
            before = now
        async with started(data) as (_, api):
            assert list((data / "blobs" / "tmp").iterdir()) == []
            answer = (await api.post("subscribe", sourceId=source_id)).json()
            assert answer["syncResult"]["success"] is True
            status = await api.get("source-status", sourceId=source_id)
            assert not [sync for sync in status["syncs"] if sync["state"] == "running"]
            assert status["failures"] == []
        assert len(assert_whole(data)) == PLUGINS
        await asyncio.to_thread(assert_log_holds, data)


def make_due(data: Path, since: float) -> int:
    """Make due what has not run since a time, and tell how much that is."""
    with sqlite3.connect(data / "node.db", timeout=30) as rows:
        query = "UPDATE schedule SET due_at = 0 WHERE ran_at IS NULL OR ran_at < ?"
        count = rows.execute(query, [since]).rowcount
    rows.close()
    return count


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(-(-ROUNDS // ROUNDS_OF_ONE_TEST)))
async def test_workers_killed_anywhere_lose_nothing_and_leave_no_lease_stuck(tmp_path: Path, seed: int) -> None:
    """Two workers share the work beside a serving node, so that a dead one's leases end by their time alone."""
    dice = random.Random(seed)
    data = tmp_path / "node"
    published = 0
    before: set[tuple[str, str]] = set()
    async with FakePublisher("alice") as alice, FakePublisher("bob") as bob, started(data) as (_, api):
        sources = [await api.add(publisher) for publisher in (alice, bob)]
        for source_id in sources:
            assert (await api.post("subscribe", sourceId=source_id)).status_code == 200
        worker = await start_worker(data, **QUICK)
        try:
            for _ in range(min(ROUNDS, ROUNDS_OF_ONE_TEST)):
                following = await start_worker(data, **QUICK)
                for publisher in (alice, bob):
                    for _ in range(5):
                        publisher.add_plugin(f"{publisher.username}-{published}", "1.0")
                        published += 1
                make_due(data, time.time())
                await asyncio.sleep(dice.uniform(0.0, 0.8))
                await worker.kill()
                worker = following
                now = assert_whole(data)
                assert before <= now
                before = now
            since = time.time()
            async with asyncio.timeout(60):
                while make_due(data, since) or len(assert_whole(data)) < published:
                    await asyncio.sleep(0.2)
            worker.send(signal.SIGTERM)
            assert await worker.wait() == 0
        finally:
            worker.close()
        for source_id in sources:
            status = await api.get("source-status", sourceId=source_id)
            assert status["source"]["status"] == "verified"
            assert status["failures"] == []
            assert {row["leased"] for row in status["schedule"]} == {False}
            assert "running" not in {sync["state"] for sync in status["syncs"]}
            assert {one["result"] for one in status["verifications"]} == {"success"}
    async with started(data):
        assert list((data / "blobs" / "tmp").iterdir()) == []
    await asyncio.to_thread(assert_log_holds, data)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks for processes in /proc")
async def test_a_killed_node_leaves_no_process_behind(tmp_path: Path) -> None:
    async with FakePublisher("alice") as publisher, started(tmp_path / "node") as (node, api):
        publisher.add_plugin("one", "1.0")
        source_id = await api.add(publisher)
        await api.post("subscribe", sourceId=source_id)
        children = subprocess.run(
            ["ps", "-o", "pid=", "--ppid", str(node.process.pid)], capture_output=True, text=True, check=True
        ).stdout.split()
        assert children
        node.kill()
        for _ in range(600):
            left = [pid for pid in children if Path(f"/proc/{pid}").exists()]
            if not left:
                return
            await asyncio.sleep(0.05)
    raise AssertionError(f"still running: {left}")


@pytest.mark.parametrize("name", ["identity.key", "master.sha256"])
def test_a_secret_is_whole_or_not_there(tmp_path: Path, name: str) -> None:
    """The node's own files are written beside and renamed: what a crash leaves beside them is never read."""
    from pfn.app import prepare
    from pfn.settings import Settings

    settings = Settings(data=tmp_path / "node")
    first = prepare(settings)
    (settings.data / f".{name}.0123456789abcdef").write_text("half of it")
    second = prepare(settings)
    assert second.identity == first.identity
    assert second.master_hash == first.master_hash
    assert second.new_master_key is None
