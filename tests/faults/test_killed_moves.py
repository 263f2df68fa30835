"""Backups and moves killed anywhere, as by a power cut: what was there before holds, and the next try ends it."""

import asyncio
import os
import random
import secrets
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.support.all_rows import read_all_rows
from tests.support.mesh import follow, sync
from tests.support.network import serve_node
from tests.support.node import PFN
from tests.support.rows import create_database

from pfn.services.backup_manifest import read_manifest
from pfn.services.restore import verify_backup
from pfn.storage.database import sqlite_url
from pfn.testing.publisher import FakePublisher

pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(600)]

PLUGINS = 60
ROUNDS = 6


async def live(data: Path, bob: FakePublisher) -> None:
    """Let a node mirror something."""
    for number in range(PLUGINS):
        bob.add_plugin(f"plugin-{number}", "1.0")
    async with serve_node(data, database_url=sqlite_url(data / "node.db")) as node:
        await follow(node, bob)


def run(*arguments: object, **environment: str) -> "subprocess.CompletedProcess[str]":
    command = [PFN, *map(str, arguments)]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)


def kill_at(seconds: float, *arguments: object) -> bool:
    """Run a command and kill it after a time; tell whether it had not ended by then."""
    process = subprocess.Popen([PFN, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    return False


def moments(*arguments: object) -> Sequence[float]:
    """Run a command to its end, and give times to kill it at from then on, for as long as it takes here."""
    dice = random.Random(8)
    began = time.monotonic()
    done = run(*arguments)
    took = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    return [dice.uniform(0.4 * took, took) for _ in range(ROUNDS)]


async def test_backups(tmp_path: Path) -> None:
    data, folder = tmp_path / "node", tmp_path / "backup"
    async with FakePublisher("bob") as bob:
        await live(data, bob)
        times = await asyncio.to_thread(moments, "backup", folder, "--data", data)
        # While the node runs.
        async with serve_node(data, database_url=sqlite_url(data / "node.db")) as node:
            [source] = [row["id"] for row in await node.get("sources")]
            for number, moment in enumerate(times):
                before = read_manifest(folder)
                bob.add_plugin(f"later-{number}", "1.0")
                await sync(node, source)
                await asyncio.to_thread(kill_at, moment, "backup", folder, "--data", data)
                found = await verify_backup(folder, lambda _step, _done, _total: None)
                assert before is not None
                assert found.state_count in {before.state_count, PLUGINS + number + 1}
        done = await asyncio.to_thread(run, "backup", folder, "--data", data)
        assert done.returncode == 0, done.stderr
    last = read_manifest(folder)
    assert last is not None
    assert (last.state_count, last.zips.lost) == (PLUGINS + ROUNDS, [])
    assert len(list(folder.glob("state-*"))) == 1
    assert list((folder / "blobs" / "tmp").iterdir()) == []


async def test_restores(tmp_path: Path) -> None:
    data, folder = tmp_path / "node", tmp_path / "backup"
    async with FakePublisher("bob") as bob:
        await live(data, bob)
    assert (await asyncio.to_thread(run, "backup", folder, "--data", data)).returncode == 0
    before = read_all_rows(sqlite_url(data / "node.db"))
    times = await asyncio.to_thread(moments, "restore", folder, "--to", tmp_path / "measured")
    for number in range(2):
        again = tmp_path / f"again-{number}"
        for moment in times[number::2]:
            if await asyncio.to_thread(kill_at, moment, "restore", folder, "--to", again):
                continue
            break
        else:
            # The last may have been killed when all was done.
            if not (again / "node.db").exists() or (again / "restore.unfinished").exists():
                done = await asyncio.to_thread(run, "restore", folder, "--to", again)
                assert done.returncode == 0, done.stderr
        assert not (again / "restore.unfinished").exists()
        assert read_all_rows(sqlite_url(again / "node.db")) == before


async def test_moves(tmp_path: Path, postgres: str) -> None:
    data = tmp_path / "node"
    async with FakePublisher("bob") as bob:
        await live(data, bob)

        def place() -> tuple[str, ...]:
            rows = create_database(postgres, f"moved_{secrets.token_hex(6)}")
            return (
                "store",
                "migrate",
                "--data",
                str(data),
                "--to-database",
                rows,
                "--to-blobs",
                f"{tmp_path}/{rows[-12:]}",
            )

        before = read_all_rows(sqlite_url(data / "node.db"), "log_halts")
        times = await asyncio.to_thread(moments, *place())
        for number in range(2):
            command = place()
            for moment in times[number::2]:
                await asyncio.to_thread(kill_at, moment, *command)
                # PostgreSQL finds out by itself that who was connected is gone.
                assert read_all_rows(sqlite_url(data / "node.db"), "log_halts") == before
            done = await asyncio.to_thread(run, *command)
            assert done.returncode == 0, done.stderr
            assert read_all_rows(command[5], "log_halts") == before
            assert len(list(Path(command[7]).glob("sha256/*/*"))) == PLUGINS
