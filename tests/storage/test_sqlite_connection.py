"""SQLite's connection: one hand-over for each statement, and what is left when whoever waits for it is cancelled."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import aiosqlite
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pfn.storage.database import Database, sqlite_url
from pfn.storage.sqlite_connection import IMMEDIATE, SqliteConnection, connect_sqlite


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "rows.db"
    with closing(sqlite3.connect(path)) as rows:
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)")
    return path


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    database = Database(sqlite_url(path))
    yield database
    await database.close()


async def count(database: Database) -> int:
    async with database.read() as connection:
        counted: int = (await connection.execute(text("SELECT count(*) FROM t"))).scalar_one()
        return counted


@pytest.fixture
def hand_overs(monkeypatch: pytest.MonkeyPatch) -> list[None]:
    """Gather the times that anything was given to a connection's thread and waited for."""
    made: list[None] = []
    original = aiosqlite.Connection._execute

    async def execute(self: aiosqlite.Connection, *args: Any, **named: Any) -> Any:
        made.append(None)
        return await original(self, *args, **named)  # type: ignore[no-untyped-call]

    monkeypatch.setattr(aiosqlite.Connection, "_execute", execute)
    return made


async def test_each_statement_is_one_hand_over(database: Database, hand_overs: list[None]) -> None:
    assert await count(database) == 0
    hand_overs.clear()
    async with database.read() as connection:
        for _ in range(3):
            await connection.execute(text("SELECT * FROM t"))
    assert len(hand_overs) == 3
    hand_overs.clear()
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO t(name) VALUES ('a')"))
        await connection.execute(text("INSERT INTO t(name) VALUES (:name)"), [{"name": "b"}, {"name": "c"}])
    # It begins and it commits, besides.
    assert len(hand_overs) == 4
    hand_overs.clear()
    async with database.read():
        pass
    assert hand_overs == []
    assert await count(database) == 3


_STATEMENTS = [
    "SELECT 1 AS one, name FROM t ORDER BY id",
    "SELECT count(*) FROM t",
    "SELECT * FROM t WHERE 0",
    "INSERT INTO t(name) VALUES ((SELECT count(*) FROM t) || ' th') RETURNING id",
    "INSERT INTO t(name) VALUES (NULL)",
    "UPDATE t SET name = NULL",
    "UPDATE t SET name = 'same' WHERE id < 0",
    "DELETE FROM t WHERE id % 2 = 0",
    "CREATE TABLE IF NOT EXISTS other (id INTEGER)",
    "INSERT INTO t(name) VALUES ('taken')",
    "SELECT broken",
    IMMEDIATE,
    "COMMIT",
    "ROLLBACK",
]


@given(st.lists(st.sampled_from(_STATEMENTS), max_size=12))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_it_says_of_each_statement_what_the_driver_says(
    tmp_path_factory: pytest.TempPathFactory, statements: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("two")
    ours = await connect_sqlite(str(folder / "ours.db"))
    with closing(sqlite3.connect(folder / "driver.db", isolation_level=None)) as driver:
        try:
            for statement in ["CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT UNIQUE)", *statements]:
                assert await say(ours, statement) == say_plainly(driver, statement)
        finally:
            await ours.close()


async def say(connection: SqliteConnection, statement: str) -> object:
    cursor = connection.cursor()
    try:
        await cursor.execute(statement)
    except sqlite3.Error as error:
        return type(error), str(error)
    description = [column[0] for column in cursor.description or ()]
    return description, await cursor.fetchall(), cursor.rowcount, cursor.lastrowid


def say_plainly(connection: sqlite3.Connection, statement: str) -> object:
    cursor = connection.cursor()
    try:
        cursor.execute(statement)
    except sqlite3.Error as error:
        return type(error), str(error)
    rows = cursor.fetchall()
    return [column[0] for column in cursor.description or ()], rows, cursor.rowcount, cursor.lastrowid


@pytest.mark.parametrize("loops", range(8))
async def test_who_is_cancelled_at_any_step_of_a_write_leaves_no_lock(database: Database, loops: int) -> None:
    """After so many turns of the event loop, wherever the transaction is by then."""

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO t(name) VALUES ('a')"))
            await connection.execute(text("INSERT INTO t(name) VALUES ('b')"))

    await count(database)
    task = asyncio.create_task(write())
    for _ in range(loops):
        await asyncio.sleep(0.0003)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert await count(database) in {0, 2}
    async with asyncio.timeout(60), database.write() as connection:
        await connection.execute(text("INSERT INTO t(name) VALUES ('c')"))


async def test_who_is_cancelled_while_another_process_writes_leaves_no_lock(database: Database, path: Path) -> None:
    """The thread waits for the lock in the driver and gets it later, when nobody wants it any more."""

    async def write() -> None:
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO t(name) VALUES ('a')"))

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(IMMEDIATE)
        task = asyncio.create_task(write())
        await asyncio.sleep(0.2)
        task.cancel()
        await asyncio.sleep(0.05)
        other.execute("COMMIT")
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()
        async with asyncio.timeout(60), database.write() as connection:
            await connection.execute(text("INSERT INTO t(name) VALUES ('c')"))
        assert other.execute("SELECT name FROM t").fetchall() == [("c",)]


async def test_a_read_that_is_over_holds_no_old_state(database: Database, path: Path) -> None:
    async with AsyncExitStack() as readers:
        for _ in range(4):
            connection = await readers.enter_async_context(database.read())
            await connection.execute(text("SELECT * FROM t"))
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO t(name) VALUES ('a')"))
    await count(database)
    with closing(sqlite3.connect(path, timeout=20)) as other:
        busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    # A reader of an old state would keep the log of writes from being taken in whole.
    assert busy == 0
