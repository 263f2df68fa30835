"""Transactions: whole or not at all, reading undisturbed, writers one after the other across tasks and processes."""

import asyncio
import subprocess
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from tests.support.records import ANN, BOB, VERDICT, add_sources, make_release, make_source

from pfn.storage.database import Database, sqlite_url
from pfn.storage.migrate import migrate
from pfn.storage.release import add_release
from pfn.storage.schema import sources
from pfn.storage.source import add_source, change_source, get_source, list_sources


async def names(database: Database) -> list[str]:
    async with database.read() as connection:
        return [one.id for one in await list_sources(connection)]


async def test_a_block_that_ends_commits(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
    assert await names(database) == [ANN]


async def test_a_block_that_raises_leaves_nothing(database: Database):
    async def fail() -> None:
        async with database.write() as connection:
            await add_sources(connection, ANN)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await names(database) == []
    async with database.write() as connection:
        await add_sources(connection, BOB)
    assert await names(database) == [BOB]


async def test_a_statement_that_is_refused_takes_the_whole_block_with_it(database: Database):
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await add_sources(connection, ANN, BOB, ANN)
    assert await names(database) == []


async def test_a_block_that_is_cancelled_leaves_nothing_and_no_lock(database: Database):
    begun = asyncio.Event()

    async def dawdle() -> None:
        async with database.write() as connection:
            await add_sources(connection, ANN)
            begun.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(dawdle())
    async with asyncio.timeout(60):
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with database.write() as connection:
            await add_sources(connection, BOB)
    assert await names(database) == [BOB]


async def test_who_is_cancelled_while_waiting_for_the_lock_leaves_the_turn_to_others(database: Database):
    async def write(source_id: str) -> None:
        async with database.write() as connection:
            await add_sources(connection, source_id)

    async with database.write() as connection:
        waiting = [asyncio.create_task(write(f"u{number}@a.example")) for number in range(4)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        waiting[2].cancel()
        await connection.execute(select(sources.c.id))
    async with asyncio.timeout(60):
        await asyncio.gather(*waiting, return_exceptions=True)
    assert {"u1@a.example", "u3@a.example"} <= set(await names(database))


async def test_foreign_keys_are_enforced_on_every_connection(database: Database):
    async with AsyncExitStack() as busy:
        for _ in range(4):
            # Whoever reads keeps a connection, so that the next one is another.
            reader = await busy.enter_async_context(database.read())
            await list_sources(reader)
            with pytest.raises(IntegrityError):
                async with database.write() as connection:
                    await add_release(connection, make_release(), VERDICT)


async def test_a_reader_sees_one_state_from_its_first_look_on(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
    async with database.read() as reader:
        assert len(await list_sources(reader)) == 1
        async with database.write() as connection:
            await add_sources(connection, BOB)
            await change_source(connection, ANN, created_at=77)
            # Neither waits for the other.
            assert await get_source(reader, ANN) == make_source()
        assert len(await list_sources(reader)) == 1
        assert await get_source(reader, ANN) == make_source()
    assert sorted(await names(database)) == [ANN, BOB]


async def test_a_reader_keeps_nothing(database: Database):
    # PostgreSQL refuses at once, SQLite forgets in the end.
    with suppress(DBAPIError):
        async with database.read() as connection:
            await add_sources(connection, ANN)
    assert await names(database) == []
    async with database.write() as connection:
        await add_sources(connection, BOB)
    assert await names(database) == [BOB]


async def test_writers_of_two_nodes_take_turns(nodes: tuple[Database, Database]):
    """Read, think, write: on SQLite no transaction fails half-way, none works on what another is changing."""
    async with nodes[0].write() as connection:
        await add_source(connection, make_source(created_at=0))

    async def count(database: Database) -> None:
        for _ in range(5):
            async with database.write() as connection:
                source = await get_source(connection, ANN, lock=True)
                assert source is not None
                await asyncio.sleep(0)
                await change_source(connection, ANN, created_at=source.created_at + 1)

    await asyncio.gather(*(count(node) for node in nodes for _ in range(10)))
    async with nodes[1].read() as connection:
        source = await get_source(connection, ANN)
    assert source is not None
    assert source.created_at == 100


_COUNT = """
import asyncio, sys
from pfn.storage.database import Database
from pfn.storage.source import change_source, get_source

async def main(url, times):
    database = Database(url)
    for _ in range(times):
        async with database.write() as connection:
            source = await get_source(connection, "ann@one.example", lock=True)
            await change_source(connection, "ann@one.example", created_at=source.created_at + 1)
    await database.close()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_processes_that_write_at_once_lose_nothing(database: Database, database_url: str):
    async with database.write() as connection:
        await add_source(connection, make_source(created_at=0))
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", _COUNT, database_url, "40", stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for process in processes:
        _, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
    async with database.read() as connection:
        source = await get_source(connection, ANN)
    assert source is not None
    assert source.created_at == 120


_KILLED = """
import asyncio, os, signal, sys
from pfn.storage.database import Database
from pfn.storage.source import change_source

async def main(url):
    database = Database(url)
    async with database.write() as connection:
        await change_source(connection, "ann@one.example", created_at=111)
    async with database.write() as connection:
        await change_source(connection, "ann@one.example", created_at=222)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main(sys.argv[1]))
"""


async def test_a_killed_process_leaves_what_it_committed_and_no_more(database: Database, database_url: str):
    async with database.write() as connection:
        await add_source(connection, make_source())
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", _KILLED, database_url], check=False, capture_output=True
    )
    assert killed.returncode == -9, killed.stderr
    async with asyncio.timeout(60), database.write() as connection:
        source = await get_source(connection, ANN, lock=True)
        assert source is not None
        assert source.created_at == 111


async def test_what_sqlite_commits_survives_a_power_cut(tmp_path: Path):
    """That itself cannot be tested without a power cut; the two settings it stands on can."""
    path = tmp_path / "a folder with spaces & ?signs#" / "node.db"
    path.parent.mkdir()
    migrate(sqlite_url(path))
    database = Database(sqlite_url(path))
    for opened in (database.read, database.write):
        async with opened() as connection:
            assert (await connection.execute(text("PRAGMA journal_mode"))).scalar_one() == "wal"
            assert (await connection.execute(text("PRAGMA synchronous"))).scalar_one() == 2
    await database.close()
    assert path.exists()


async def test_one_process_of_all_on_the_rows_runs_at_a_time(nodes: tuple[Database, Database]):
    """On SQLite there is no need: a folder has a lock."""
    if nodes[0].is_sqlite:
        return
    inside, most = 0, 0

    async def start(database: Database) -> None:
        nonlocal inside, most
        async with database.one_at_a_time():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.02)
            inside -= 1

    async def fail(database: Database) -> None:
        async with database.one_at_a_time():
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail(nodes[0])
    await asyncio.gather(*(start(database) for database in nodes * 3))
    assert most == 1
