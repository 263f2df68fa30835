"""``pfn gc`` and ``pfn scrub`` killed anywhere, beside a node that mirrors: no release ever lacks its bytes."""

import asyncio
import os
import random
import signal
import sqlite3
from pathlib import Path

import pytest
from tests.support.node import PFN
from tests.test_crash import assert_log_holds, assert_whole, started

from pfn.testing.publisher import FakePublisher

pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(600)]

ROUNDS = 6
LONG_AGO = 1_000_000_000


def litter(data: Path, dice: random.Random) -> None:
    """Leave garbage of all kinds, long ago."""
    for number in range(60):
        path = data / "blobs" / "sha256" / f"{number:02x}" / dice.randbytes(31).hex()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"left by a crash")
        os.utime(path, (LONG_AGO, LONG_AGO))


async def run(data: Path, *arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        PFN,
        *arguments,
        env={**os.environ, "PFN_DATA": str(data), "PFN_ALLOW_LOOPBACK": "1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def test_killed_anywhere_they_take_nothing_that_is_needed(tmp_path: Path) -> None:
    dice = random.Random(11)
    data = tmp_path / "node"
    mirrored: set[tuple[str, str]] = set()
    async with FakePublisher("alice") as publisher, started(data) as (_, api):
        publisher.add_plugin("first", "1.0")
        source_id = await api.add(publisher)
        await api.post("subscribe", sourceId=source_id)
        for number in range(ROUNDS):
            litter(data, dice)
            for plugin in range(15):
                publisher.add_plugin(f"plugin-{number}-{plugin}", "1.0")
            caring = await run(data, *dice.choice((("gc", "--yes"), ("gc", "--yes", "--grace", "1h"), ("scrub",))))
            # Until it has begun, a process does nothing that could be torn.
            await asyncio.sleep(dice.uniform(0.8, 2.5))
            syncing = asyncio.create_task(api.sync(source_id))
            await asyncio.sleep(dice.uniform(0, 0.5))
            if caring.returncode is None:
                caring.send_signal(signal.SIGKILL)
            await caring.wait()
            await syncing
            now = assert_whole(data)
            assert mirrored < now
            mirrored = now
        # A killed one's lease holds for a minute; then the next goes on.
        with sqlite3.connect(data / "node.db", timeout=30) as rows:
            rows.execute("UPDATE schedule SET owner = NULL, lease_until = NULL")
        rows.close()
        for arguments in (("gc", "--yes"), ("scrub",)):
            last = await run(data, *arguments)
            assert await last.wait() == 0
        stored = {path.parent.name + path.name for path in (data / "blobs" / "sha256").glob("*/*")}
        with sqlite3.connect(data / "node.db") as rows:
            assert stored == {row[0] for row in rows.execute("SELECT sha256 FROM mirrored_plugins")}
        rows.close()
        assert assert_whole(data) == mirrored
    await asyncio.to_thread(assert_log_holds, data)
