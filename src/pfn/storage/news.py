"""How a process hears that others wrote events: on PostgreSQL it is told (LISTEN), elsewhere it has to look.

Being told is only a reason to look at the rows, never news itself: what gets lost while a connection breaks is found by
the look that follows, and while nobody tells, there is a look each second.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.storage.database import Database

log = structlog.get_logger()

CHANNEL = "pfn_events"

_POLL_S = 1.0
# Only for the case that a connection looks alive and is not.
_LISTENING_POLL_S = 30.0
_RECONNECT_S = 1.0


class News(Protocol):
    """What tells of events."""

    @property
    def pause(self) -> float:
        """Seconds until the next look, where nobody tells of anything before."""
        ...

    def hear(self, tell: Callable[[], None]) -> AbstractAsyncContextManager[None]:
        """Have ``tell`` called, while the block runs, whenever another process may have written events."""
        ...


class PolledNews:
    """Nobody tells."""

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return _POLL_S

    @asynccontextmanager
    async def hear(self, tell: Callable[[], None]) -> AsyncIterator[None]:
        """Do nothing: who listens looks by itself."""
        del tell
        yield


class ListenedNews:
    """A connection that listens; it is made again whenever it breaks."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._listening = False

    @property
    def pause(self) -> float:
        """Seconds until the next look: few, while the connection is away."""
        return _LISTENING_POLL_S if self._listening else _POLL_S

    @asynccontextmanager
    async def hear(self, tell: Callable[[], None]) -> AsyncIterator[None]:
        """Listen while the block runs."""
        task = asyncio.create_task(self._keep_listening(tell), name="listen for events")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _keep_listening(self, tell: Callable[[], None]) -> None:
        import psycopg

        while True:
            try:
                await self._listen(tell)
            except (psycopg.Error, OSError) as error:
                log.warning("listening_broken", error=str(error).strip())
            finally:
                self._listening = False
            tell()
            await asyncio.sleep(_RECONNECT_S)

    async def _listen(self, tell: Callable[[], None]) -> None:
        import psycopg

        connection = await psycopg.AsyncConnection.connect(**self._database.driver_arguments(), autocommit=True)
        async with connection:
            await connection.execute(f"LISTEN {CHANNEL}".encode())
            self._listening = True
            # What was written before this moment was told to nobody here.
            tell()
            async for _ in connection.notifies():
                tell()


def open_news(database: Database) -> News:
    """Give the way of this database."""
    return PolledNews() if database.is_sqlite else ListenedNews(database)


async def tell_others(connection: AsyncConnection) -> None:
    """Have every process told once this transaction commits; however often it is asked for, it is told once."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_notify(CHANNEL, "")))
