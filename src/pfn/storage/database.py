"""The rows' engine: SQLite by default, PostgreSQL by configuration, one way to read and one to write.

``read()`` gives a connection that sees one consistent state; ``write()`` gives a transaction that commits when its
block ends and rolls back when it raises. SQLite has one writer at a time: it takes the write lock when it begins,
so a transaction never fails half-way for want of it. What is committed survives a power cut (``synchronous=FULL``).
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, event, make_url
from sqlalchemy.engine import Engine
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_TIMEOUT_S = 30


class Database:
    """Rows of one node."""

    def __init__(self, url: str) -> None:
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._engine = _create(self.url)
        # Waiting here in order is fairer, and cheaper, than SQLite's busy loop; other processes still meet the lock.
        self._one_writer = asyncio.Lock() if self.is_sqlite else None
        self._listeners: list[Callable[[], None]] = []
        self._watch: sqlite3.Connection | None = None
        # SQLite's transactions see one state anyway; PostgreSQL's usual ones see a new one with each statement.
        self._reading = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    @property
    def engine(self) -> AsyncEngine:
        """The engine, for tests that look under the floor."""
        return self._engine

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for reading."""
        async with self._engine.connect() as connection:
            yield await connection.execution_options(**self._reading)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; it commits when the block ends, and rolls back when the block raises."""
        async with self._one_writer or nullcontext(), self._engine.connect() as connection:
            await connection.execution_options(pfn_write=True)
            async with connection.begin():
                yield connection
        for hear in self._listeners:
            hear()

    def on_write(self, hear: Callable[[], None]) -> None:
        """Have ``hear`` called after each transaction that committed through here: something may be new."""
        self._listeners.append(hear)

    def changes(self) -> int | None:
        """Give a number that is another one after every commit, of this process or any other; None for not known.

        What was read after asking holds for as long as the number stays: enough for a cache that is never wrong. SQLite
        keeps it in memory that all its processes share, so that it costs microseconds; PostgreSQL has no such thing.
        """
        if not self.is_sqlite or self.url.database is None:
            return None
        try:
            if self._watch is None:
                # Of its own: to the connection that commits, its own commits are no change.
                self._watch = sqlite3.connect(self.url.database, timeout=0, isolation_level=None)
            changes: int = self._watch.execute("PRAGMA data_version").fetchone()[0]
        except sqlite3.OperationalError:
            return None
        return changes

    async def close(self) -> None:
        """Close every connection."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        await self._engine.dispose()


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file."""
    return URL.create("sqlite+aiosqlite", database=str(path)).render_as_string(hide_password=False)


def create_sync_engine(url: URL) -> Engine:
    """Make the engine migrations run on: the same database, spoken to without an event loop."""
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url.set(drivername="sqlite+pysqlite"))
    _tune(engine)
    # A migration always writes.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    return engine


def _create(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(url, pool_pre_ping=True)
    engine = create_async_engine(url, pool_size=4, max_overflow=12)
    _tune(engine.sync_engine)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _tune(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        # The driver must not begin transactions by itself: `_begin` decides how.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            f"busy_timeout = {BUSY_TIMEOUT_S * 1000}",
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "cache_size = -16000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin(connection: Connection) -> None:
    write = connection.get_execution_options().get("pfn_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")
