"""The history as it happens: any number of live readers, one look at the rows for all of them.

Events become visible in the order of their numbers (``pfn.storage.activity``), so reading on from a number misses
nothing and meets nothing twice. One task reads what is new, while anybody listens: when a transaction of this process
committed, and when another process's did (``pfn.storage.news``: PostgreSQL tells, else there is a look each second).
The newest events are kept in one short memory that all streams share; a stream has nothing of its own but the number
it has come to. Who is slow falls out of that memory and reads from the rows instead, which holds up nobody else.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from pfn.domain.activity import Activity, ActivityFilter
from pfn.protocol.errors import Code, PfnError
from pfn.storage.activity import last_seq, read_activities
from pfn.storage.database import Database
from pfn.storage.history import get_horizon
from pfn.storage.news import open_news

log = structlog.get_logger()

BATCH = 64
"""Events that a stream is given at a time."""

_MEMORY = 1024
_TRY_AGAIN_S = 1.0
# A burst of small transactions is one look.
_GATHER_S = 0.02
_RETRY_AFTER_S = 10


@dataclass(slots=True)
class Stream:
    """One reader: what it wants, and the number it has come to. ``missed``: events before that are gone unseen."""

    wanted: ActivityFilter
    after: int
    missed: bool = False


class LiveService:
    """Hands out streams, at most ``max_streams`` at a time."""

    def __init__(self, database: Database, *, max_streams: int, memory: int = _MEMORY) -> None:
        self._database = database
        self._news_of_others = open_news(database)
        self._max_streams = max_streams
        self._memory = memory
        self._count = 0
        self._stopped = False
        self._reader: asyncio.Task[None] | None = None
        # Every event after `_start` that was read; None until the reader knows where it begins.
        self._start: int | None = None
        self._recent: deque[Activity] = deque()
        self._poked = asyncio.Event()
        self._news = asyncio.Event()
        database.on_write(self.poke)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return self._count

    def poke(self) -> None:
        """Look at once: something may have happened."""
        self._poked.set()

    @asynccontextmanager
    async def open(self, wanted: ActivityFilter, after: int | None = None) -> AsyncIterator[Stream]:
        """Open a stream of what comes after an event's number, or from now on, until the block ends.

        Raises PfnError (``not_ready``) where there are too many, or the node is stopping.
        """
        if self._stopped:
            raise PfnError(Code.NOT_READY, "The node is stopping; try again.", retry_after=_RETRY_AFTER_S)
        if self._count >= self._max_streams:
            raise PfnError(
                Code.NOT_READY,
                f"All {self._max_streams} live streams of this node are taken; try again later, or read "
                "/federation/activity.",
                retry_after=_RETRY_AFTER_S,
            )
        self._count += 1
        try:
            if self._reader is None:
                self._reader = asyncio.create_task(self._read(), name="live events")
            yield await self._begin(wanted, after)
        finally:
            self._count -= 1
            self.poke()

    async def next(self, stream: Stream, patience: float) -> Sequence[Activity] | None:
        """Give a stream's next events, oldest first: none after ``patience`` seconds without any, None at its end."""
        deadline = asyncio.get_running_loop().time() + patience
        while not self._stopped:
            # Taken before looking: what comes while this looks sets it.
            news = self._news
            found, more = await self._advance(stream)
            if found:
                return found
            if more:
                continue
            try:
                # Not `wait_for`: in Python 3.11 it swallows a cancellation that comes together with the news.
                async with asyncio.timeout_at(deadline):
                    await news.wait()
            except TimeoutError:
                return ()
        return None

    async def stop(self) -> None:
        """End every stream, and open no more."""
        self._stopped = True
        self._announce()
        self.poke()
        if self._reader is not None:
            await self._reader

    async def _begin(self, wanted: ActivityFilter, after: int | None) -> Stream:
        async with self._database.read() as connection:
            newest = await last_seq(connection)
            horizon = await get_horizon(connection)
        if after is None:
            return Stream(wanted, newest)
        if after > newest:
            # No number of this history: it was restored from a backup, say.
            return Stream(wanted, newest, missed=True)
        return Stream(wanted, max(after, horizon), missed=after < horizon)

    async def _advance(self, stream: Stream) -> tuple[Sequence[Activity], bool]:
        """Give the events a stream wants of the next few, and whether there may be more at once."""
        if self._start is not None and self._start <= stream.after:
            newer: list[Activity] = []
            for activity in reversed(self._recent):
                if activity.seq <= stream.after:
                    break
                newer.append(activity)
            few = newer[: -BATCH - 1 : -1]
            if few:
                stream.after = few[-1].seq
            return [activity for activity in few if stream.wanted.match(activity)], len(few) < len(newer)
        async with self._database.read() as connection:
            newest = await last_seq(connection)
            found = await read_activities(connection, stream.wanted, after=stream.after, limit=BATCH)
        more = len(found) == BATCH
        stream.after = found[-1].seq if more else max(stream.after, newest)
        return found, more

    async def _read(self) -> None:
        """Read what is new while anybody listens."""
        async with self._news_of_others.hear(self.poke):
            while self._count and not self._stopped:
                try:
                    found = await self._look()
                except Exception as error:  # noqa: BLE001  # a database that is away for a moment comes back
                    log.warning("live_events_not_read", error=str(error))
                    await asyncio.sleep(_TRY_AGAIN_S)
                    continue
                if found < BATCH:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(self._news_of_others.pause):
                            await self._poked.wait()
                    await asyncio.sleep(_GATHER_S)
            # Before anything is awaited: whoever opens a stream meanwhile begins anew.
            self._reader = self._start = None
            self._recent.clear()

    async def _look(self) -> int:
        """Take what is new into the memory and tell how much it was; the first look only finds where to begin."""
        self._poked.clear()
        async with self._database.read() as connection:
            if self._start is None:
                found: Sequence[Activity] = ()
                self._start = await last_seq(connection)
            else:
                newest = self._recent[-1].seq if self._recent else self._start
                found = await read_activities(connection, after=newest, limit=BATCH)
                if not found:
                    return 0
        self._recent.extend(found)
        while len(self._recent) > self._memory:
            self._start = self._recent.popleft().seq
        self._announce()
        return len(found)

    def _announce(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
