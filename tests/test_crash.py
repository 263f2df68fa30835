"""A node killed with SIGKILL anywhere in a sync starts again with nothing lost and nothing half there."""

import asyncio
import hashlib
import os
import random
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.support.node import RunningNode, start_node
from tests.web.api.conftest import Api

from pfn.testing.publisher import FakePublisher

PLUGINS = 150
ROUNDS = int(os.environ.get("PFN_CRASH_ROUNDS", "8"))


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
        assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert rows.execute("PRAGMA foreign_key_check").fetchall() == []
        mirrored = rows.execute("SELECT plugin_id, version, local_path, sha256 FROM mirrored_plugins").fetchall()
        listed = {row[0] for row in rows.execute("SELECT plugin_id FROM plugins")}
        updates = rows.execute("SELECT plugin_id, count(*) FROM version_updates GROUP BY plugin_id").fetchall()
    for _, _, local_path, digest in mirrored:
        assert hashlib.sha256((data / "blobs" / local_path).read_bytes()).hexdigest() == digest
    # Every stored plugin is listed and was announced once, or the transaction was none.
    assert listed == {row[0] for row in mirrored}
    assert dict(updates) == dict.fromkeys(listed, 1)
    return {(row[0], row[1]) for row in mirrored}


async def test_a_node_killed_anywhere_in_a_sync_goes_on_where_it_was(tmp_path: Path) -> None:
    dice = random.Random(7)
    data = tmp_path / "node"
    async with FakePublisher("alice") as publisher:
        for number in range(PLUGINS):
            publisher.add_plugin(f"plugin-{number}", "1.0")
        async with started(data) as (_, api):
            source_id = await api.add(publisher)
        before: set[tuple[str, str]] = set()
        for _ in range(ROUNDS):
            async with started(data) as (node, api):
                work = asyncio.create_task(api.post("subscribe", sourceId=source_id))
                await asyncio.sleep(dice.uniform(0.0, 1.2))
                node.kill()
                await asyncio.gather(work, return_exceptions=True)
            now = assert_whole(data)
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
        for _ in range(100):
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
