"""SQLite's connection on a thread of its own, one hand-over for each statement.

The driver goes to its thread and back four times for each: to make a cursor, to execute, to fetch, and to close. A
hand-over costs more than most statements do, so here all four are one. A transaction that reads begins, for SQLite,
with its first statement, and goes over together with that one.
"""

import sqlite3
from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import aiosqlite

DEFERRED: Final = "BEGIN"
"""Begins a transaction that takes no lock before its first read."""
IMMEDIATE: Final = "BEGIN IMMEDIATE"
"""Begins a transaction that takes the write lock at once."""


async def connect_sqlite(database: str) -> "SqliteConnection":
    """Open a file of rows, making it where there is none; the driver begins no transactions. Raises sqlite3.Error."""
    connection = SqliteConnection(lambda: sqlite3.connect(database, isolation_level=None), iter_chunk_size=64)
    # A node that is told to stop does not wait for a statement that nobody waits for.
    connection._thread.daemon = True  # noqa: SLF001  # as the engine sets it on connections that it makes itself
    await connection
    return connection


class _Phase(Enum):
    """How far a connection's transaction is."""

    NONE = "none"
    DUE = "due"
    """It begins with the next statement."""
    READING = "reading"
    WRITING = "writing"


class SqliteConnection(aiosqlite.Connection):
    """A connection as the engine's adapter knows it."""

    _phase = _Phase.NONE

    def cursor(self) -> "SqliteCursor":  # type: ignore[override]  # needs no thread to be made
        """Make a cursor."""
        return SqliteCursor(self)

    async def run(self, sql: str, parameters: Any = (), *, many: bool = False) -> "Answer":  # noqa: ANN401
        """Execute a statement and fetch all that it gives. Raises sqlite3.Error."""
        if sql == DEFERRED:
            self._phase = _Phase.DUE
            return Answer()
        due = self._phase is _Phase.DUE
        # Said before it goes over: whoever is cancelled meanwhile rolls back what may have begun.
        if sql == IMMEDIATE:
            self._phase = _Phase.WRITING
        elif due:
            self._phase = _Phase.READING

        def execute() -> Answer:
            if due:
                self._conn.execute(DEFERRED)
            cursor = self._conn.cursor()
            try:
                (cursor.executemany if many else cursor.execute)(sql, parameters)
                rows = cursor.fetchall() if cursor.description else []
                return Answer(rows, cursor.description, cursor.rowcount, cursor.lastrowid)
            finally:
                cursor.close()

        answer: Answer = await self._execute(execute)  # type: ignore[no-untyped-call]
        return answer

    async def commit(self) -> None:
        """End a transaction, keeping what it wrote. Raises sqlite3.Error."""
        if self._phase in {_Phase.READING, _Phase.WRITING}:
            await super().commit()
        self._phase = _Phase.NONE

    async def rollback(self) -> None:
        """End a transaction, as if it had written nothing."""
        if self._phase is _Phase.WRITING:
            await super().rollback()
        elif self._phase is _Phase.READING:
            # Nobody waits for a lock of it, and what comes next comes after it: the thread takes one after the other.
            self._tx.put_nowait((None, self._conn.rollback))
        self._phase = _Phase.NONE


class Answer:
    """What a statement gave: its rows, and what the driver says of it."""

    __slots__ = ("description", "lastrowid", "rowcount", "rows")

    def __init__(
        self,
        rows: list[Any] | None = None,
        description: Any = None,  # noqa: ANN401  # as the driver gives it
        rowcount: int = -1,
        lastrowid: int | None = None,
    ) -> None:
        self.rows = rows or []
        self.description = description
        self.rowcount = rowcount
        self.lastrowid = lastrowid


class SqliteCursor:
    """A cursor as the engine's adapter knows it: it holds the rows already when they are fetched."""

    arraysize = 1

    def __init__(self, connection: SqliteConnection) -> None:
        self._connection = connection
        self._answer = Answer()

    @property
    def description(self) -> Any:  # noqa: ANN401  # as the driver gives it
        """The columns, or None for a statement that gives no rows."""
        return self._answer.description

    @property
    def rowcount(self) -> int:
        """How many rows were written; -1 for a statement that only reads."""
        return self._answer.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The number of the row that was inserted last."""
        return self._answer.lastrowid

    async def __aenter__(self) -> "SqliteCursor":
        return self

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> "SqliteCursor":
        """Execute a statement. Raises sqlite3.Error."""
        self._answer = await self._connection.run(sql, parameters)
        return self

    async def executemany(self, sql: str, parameters: Sequence[Sequence[Any]]) -> "SqliteCursor":
        """Execute a statement once for each of many parameters. Raises sqlite3.Error."""
        self._answer = await self._connection.run(sql, parameters, many=True)
        return self

    async def fetchall(self) -> list[Any]:
        """Give the rows that have not been given."""
        rows, self._answer.rows = self._answer.rows, []
        return rows

    async def close(self) -> None:
        """Have no effect: nothing is open."""
