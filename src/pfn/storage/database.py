"""The rows' engine: SQLite by default, PostgreSQL by configuration, one way to read and one to write.

``read()`` gives a connection that sees one consistent state; ``write()`` gives a transaction that commits when its
block ends and rolls back when it raises. SQLite has one writer at a time: it takes the write lock when it begins,
so a transaction never fails half-way for want of it. What is committed survives a power cut (``synchronous=FULL``),
but for what need not.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, create_engine, event, func, make_url, select, text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from pfn.protocol.errors import Code, PfnError
from pfn.storage.sqlite_connection import DEFERRED, IMMEDIATE, connect_sqlite

BUSY_TIMEOUT_S = 30
# Connections to PostgreSQL that a process keeps, and as many more in a rush. Its default lets in 100 of all processes.
_POOL = 8
# Any constant will do that no other advisory lock here has.
_ONE_LOCK = 7_311_992
_ASK_AGAIN_S = 0.1


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
        """Open a connection for reading. Raises PfnError (``storage_unavailable``) where PostgreSQL is away."""
        with self._meet():
            async with self._engine.connect() as connection:
                yield await connection.execution_options(**self._reading) if self._reading else connection

    @asynccontextmanager
    async def write(self, *, lasting: bool = True) -> AsyncIterator[AsyncConnection]:
        """Open a transaction; it commits when the block ends, and rolls back when the block raises.

        One that need not be ``lasting`` is seen by all at once and survives this process, but perhaps not a power cut,
        unless a lasting one came after it: for what a node finds out again by itself. It waits for no disk.
        Raises PfnError (``storage_unavailable``) where PostgreSQL is away, or has taken the transaction back because
        this process slept in it: nothing of it is there then, unless the answer to the commit itself was lost.
        """
        with self._meet():
            async with self._one_writer or nullcontext(), self._engine.connect() as connection:
                await connection.execution_options(pfn_write=True, pfn_lasting=lasting)
                async with connection.begin():
                    if not (lasting or self.is_sqlite):
                        await connection.execute(text("SET LOCAL synchronous_commit TO OFF"))
                    yield connection
        for hear in self._listeners:
            hear()

    @asynccontextmanager
    async def one_at_a_time(self) -> AsyncIterator[None]:
        """Let one process of all on these rows run such a block; the others wait. For SQLite the folder's lock does it.

        The lock is the connection's, not a transaction's, and so ends with the process.
        """
        if self.is_sqlite:
            yield
            return
        with self._meet():
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                # Not a waiting call, which would end where a lock is waited for too long.
                asked = select(func.pg_try_advisory_lock(_ONE_LOCK))
                while not (await connection.execute(asked)).scalar_one():  # noqa: ASYNC110  # no event tells
                    await asyncio.sleep(_ASK_AGAIN_S)
                try:
                    yield
                finally:
                    await connection.execute(select(func.pg_advisory_unlock(_ONE_LOCK)))

    def driver_arguments(self) -> dict[str, Any]:
        """Give what PostgreSQL's driver needs for a connection of its own, beside the pool."""
        _, arguments = self._engine.dialect.create_connect_args(self.url)
        return {**arguments, **_connect_arguments(self.url)}

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

    def _meet(self) -> AbstractContextManager[None]:
        return meet_failures(is_sqlite=self.is_sqlite)

    async def close(self) -> None:
        """Close every connection."""
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        await self._engine.dispose()


@contextmanager
def meet_failures(*, is_sqlite: bool) -> Iterator[None]:
    """Turn what says that a disk is full, or PostgreSQL away, into an error of ours."""
    try:
        yield
    except (DBAPIError, PoolTimeout, sqlite3.Error) as error:
        failure = _explain_failure(error) if is_sqlite else _explain_absence(error)
        if failure is None:
            raise
        raise failure from error


def _explain_failure(error: Exception) -> PfnError | None:
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return PfnError(Code.STORAGE_FULL, "The node's disk is full; it goes on serving but writes nothing new.")
    return None


def _explain_absence(error: Exception) -> PfnError | None:
    from pfn.storage.postgres import explain_absence

    return explain_absence(error)


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file."""
    return URL.create("sqlite+aiosqlite", database=str(path)).render_as_string(hide_password=False)


def create_sync_engine(url: URL) -> Engine:
    """Make the engine migrations run on: the same database, spoken to without an event loop."""
    if url.get_backend_name() != "sqlite":
        # Whoever migrates may do so for long, and all who start meanwhile wait for it.
        return create_engine(url, connect_args=_connect_arguments(url, patient=True))
    engine = create_engine(url.set(drivername="sqlite+pysqlite"))
    _tune(engine)
    # A migration always writes.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(IMMEDIATE))
    return engine


def _create(url: URL) -> AsyncEngine:
    if url.get_backend_name() != "sqlite":
        return create_async_engine(
            url, pool_pre_ping=True, pool_size=_POOL, max_overflow=_POOL, connect_args=_connect_arguments(url)
        )
    database = url.database or ":memory:"
    engine = create_async_engine(url, pool_size=4, max_overflow=12, async_creator=lambda: connect_sqlite(database))
    _tune(engine.sync_engine)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _connect_arguments(url: URL, *, patient: bool = False) -> dict[str, Any]:
    try:
        # PostgreSQL's driver is an extra.
        from pfn.storage.postgres import connect_arguments
    except ModuleNotFoundError as error:
        raise PfnError(
            Code.CONFIG_INVALID, "database_url: PostgreSQL needs its driver: install pfn[postgres]"
        ) from error
    return connect_arguments(url, patient=patient)


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
            # For each connection, and there may be sixteen: more made no read of 60,000 plugins faster.
            "cache_size = -4000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    write = options.get("pfn_write", False)
    if write:
        # It is the connection's, and cannot be changed within a transaction.
        level = "FULL" if options.get("pfn_lasting", True) else "NORMAL"
        if connection.info.get("synchronous", "FULL") != level:
            connection.exec_driver_sql(f"PRAGMA synchronous = {level}")
            connection.info["synchronous"] = level
    connection.exec_driver_sql(IMMEDIATE if write else DEFERRED)
