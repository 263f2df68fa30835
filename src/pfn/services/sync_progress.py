"""The row of a running sync: how far it is, for whoever looks, and whether it is still ours.

A person's sync has its row from the start; one that came due gets it with the first thing there is to record, so that
looking at an unchanged source leaves no trace. Every write compares that the row still runs: whoever lost the lease
finds it closed by the next holder, and stops.
"""

import asyncio
from contextlib import suppress

from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.contextvars import bind_contextvars

from pfn.domain.sync import Sync, SyncState
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.storage.database import Database
from pfn.storage.sync import add_sync, change_running

_WRITE_EVERY_S = 1.0


class SyncProgress:
    """One run of one source. Counts are ``done``, ``mirrored`` and ``failed``, as in ``Sync``."""

    def __init__(self, database: Database, clock: Clock, source_id: str, sync: Sync | None = None) -> None:
        self._database = database
        self._clock = clock
        self._source_id = source_id
        self.sync_id = None if sync is None else sync.id
        self.mirrored = 0
        self.failed = 0
        self._done = 0
        self._shown = 0

    async def open(self) -> None:
        """Make the row, if there is none yet."""
        if self.sync_id is None:
            async with self._database.write() as connection:
                self.sync_id = (await add_sync(connection, self._source_id, int(self._clock()))).id
            # From here on every line that the sync logs names its row.
            bind_contextvars(sync_id=self.sync_id)

    async def write(self, connection: AsyncConnection, **values: object) -> None:
        """Write the counts and these columns, within the transaction of what they tell of; without a row, nothing.

        Raises PfnError (``lease_lost``) where the row was closed by somebody else.
        """
        if self.sync_id is None:
            return
        counts = {"done": self._done, "mirrored": self.mirrored, "failed": self.failed}
        if not await change_running(connection, self.sync_id, **counts, **values):
            raise PfnError(Code.LEASE_LOST, f"Another worker took over the sync of {self._source_id}.")
        self._shown = self._done

    def refuse(self, count: int) -> None:
        """Count releases that are refused without being fetched."""
        self._done += count
        self.failed += count

    def judge(self, *, refused: bool) -> None:
        """Count one more release that was fetched and judged."""
        self._done += 1
        self.failed += refused

    async def show(self, ended: asyncio.Event) -> None:
        """Bring the row up to date once a second where it is not, until told that it ended.

        Raises PfnError (``lease_lost``).
        """
        while not ended.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(_WRITE_EVERY_S):
                    await ended.wait()
            if self._done != self._shown and not ended.is_set():
                async with self._database.write() as connection:
                    await self.write(connection)

    async def end(self, connection: AsyncConnection, state: SyncState, **values: object) -> None:
        """Close the row. Raises PfnError (``lease_lost``)."""
        await self.write(connection, state=state.value, finished_at=int(self._clock()), **values)

    async def interrupt(self) -> None:
        """Close the row of a run that was cut short, unless somebody did already."""
        if self.sync_id is not None:
            async with self._database.write() as connection:
                await change_running(
                    connection, self.sync_id, state=SyncState.INTERRUPTED.value, finished_at=int(self._clock())
                )
