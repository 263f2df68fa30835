"""Syncs: begin one, join one, find out how one went.

One sync of a source runs at a time, whoever asked for it and in whichever process: it holds the source's lease. Its
progress is a row that anyone may read while it runs; whoever loses the lease finds the row closed and writes nothing
more. What a sync does is ``pfn.services.sync_run``'s.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.source import AuthorInfo, Source, SourceStatus
from pfn.domain.sync import Listing, Sync, SyncState
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.lease import Lease, LeaseService
from pfn.services.schedule import ScheduleService, host_of
from pfn.services.sync_progress import SyncProgress
from pfn.services.sync_run import require_verified
from pfn.services.verification import require_source
from pfn.storage.database import Database
from pfn.storage.listing import get_listing_state, list_listings
from pfn.storage.schedule import get_due
from pfn.storage.source import get_source
from pfn.storage.sync import add_sync, find_running, get_sync, interrupt_abandoned, interrupt_syncs

__all__ = ["Begun", "SyncOutcome", "SyncService", "require_verified"]

_ASK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True)
class Begun:
    """A sync that began, with the lease to do it under; without one, somebody else does it already."""

    sync: Sync
    lease: Lease | None

    @property
    def joined(self) -> bool:
        """Whether it was under way before."""
        return self.lease is None


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """A finished run, and who the publisher says it is."""

    sync: Sync
    author: AuthorInfo | None


class Runs(Protocol):
    """Does syncs, here (``SyncRunner``) or elsewhere."""

    async def run(self, source_id: str, progress: SyncProgress, *, recheck: bool, retry_all: bool) -> Outcome:
        """Sync a source; what goes wrong is recorded. Raises PfnError (``lease_lost``)."""


class SyncService:
    """Runs syncs."""

    def __init__(
        self, database: Database, leases: LeaseService, schedule: ScheduleService, runner: Runs, clock: Clock
    ) -> None:
        self._database = database
        self._leases = leases
        self._schedule = schedule
        self._runner = runner
        self._clock = clock

    async def begin(self, source_id: str, *, recheck: bool = False) -> Begun:
        """Record that a sync of a verified source begins, which ``run`` does; or find the one that runs.

        Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``; for a ``recheck``, which is
        more than the one that runs may do, ``sync_running``.
        """
        source = require_verified(await require_source(self._database, source_id))
        while True:
            lease = await self._leases.claim(Work.SYNC, source_id, host=host_of(source))
            if lease is not None:
                return Begun(await self._open(source_id, lease), lease)
            async with self._database.read() as connection:
                running = await find_running(connection, source_id)
            if running is not None and recheck:
                raise PfnError(Code.SYNC_RUNNING, f"A sync of {source_id} is running; wait until it has ended.")
            if running is not None:
                return Begun(running, None)
            # It just ends, or only looks whether anything changed; neither takes long.
            await asyncio.sleep(_ASK_AGAIN_S)

    async def run(self, sync: Sync, lease: Lease, *, recheck: bool = False) -> SyncOutcome:
        """Do a sync that began; what goes wrong is recorded, not raised.

        With ``recheck`` known releases are fetched again and compared, and failed ones are tried at once.
        """
        progress = SyncProgress(self._database, self._clock, sync.source_id, sync)
        try:
            async with self._leases.keep(lease):
                outcome = await self._runner.run(sync.source_id, progress, recheck=recheck, retry_all=recheck)
        except PfnError as error:
            if error.code is not Code.LEASE_LOST:
                raise
            return SyncOutcome(await self.get(sync.id), None)
        except asyncio.CancelledError:
            await asyncio.shield(self._leases.end(lease))
            raise
        except BaseException:
            await self._schedule.finish(lease, Outcome(Result.FAILED, detail=Code.INTERNAL.slug))
            raise
        await self._schedule.finish(lease, outcome)
        ended = await self.get(sync.id)
        async with self._database.read() as connection:
            source = await get_source(connection, sync.source_id)
        return SyncOutcome(ended, None if source is None or ended.code is not None else source.author)

    async def run_now(self, source_id: str) -> SyncOutcome:
        """Sync a verified source, after any sync of it that runs: it may have looked before the wishes changed.

        Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``.
        """
        source = require_verified(await require_source(self._database, source_id))
        lease = await self._leases.wait_for(Work.SYNC, source_id, host=host_of(source))
        return await self.run(await self._open(source_id, lease), lease)

    async def run_due(self, lease: Lease) -> Outcome:
        """Do a sync that came due, for a worker that keeps and ends its lease; what goes wrong is recorded.

        Raises PfnError (``lease_lost``).
        """
        source_id = lease.due.subject
        async with self._database.read() as connection:
            source = await get_source(connection, source_id)
            dead = await find_running(connection, source_id)
        if source is None or source.status is not SourceStatus.VERIFIED:
            return Outcome(Result.UNCHANGED, detail=Code.SOURCE_NOT_VERIFIED.slug)
        if dead is not None:
            async with self._database.write() as connection:
                await interrupt_syncs(connection, source_id, int(self._clock()))
        progress = SyncProgress(self._database, self._clock, source_id)
        return await self._runner.run(source_id, progress, recheck=False, retry_all=False)

    async def run_for(self, sync_id: int, source_id: str, *, recheck: bool, retry_all: bool) -> Outcome:
        """Do a sync that another process began, which keeps and ends its lease. Raises PfnError (``lease_lost``)."""
        async with self._database.read() as connection:
            sync = await get_sync(connection, sync_id)
        progress = SyncProgress(self._database, self._clock, source_id, sync)
        return await self._runner.run(source_id, progress, recheck=recheck, retry_all=retry_all)

    async def get(self, sync_id: int) -> Sync:
        """Find a sync, running or past; one whose worker died is closed by this. Raises PfnError (``sync_unknown``)."""
        async with self._database.read() as connection:
            sync = await get_sync(connection, sync_id)
            lease = None if sync is None else await get_due(connection, Work.SYNC, sync.source_id)
        if sync is None:
            raise PfnError(Code.SYNC_UNKNOWN, f"No sync has the id {sync_id}.")
        # Without any row it was unscheduled: then whoever does it still says how it ends.
        if sync.state is SyncState.RUNNING and lease is not None and not lease.is_leased(self._clock()):
            async with self._database.write() as connection:
                await interrupt_syncs(connection, sync.source_id, int(self._clock()))
                sync = await get_sync(connection, sync_id) or sync
        return sync

    async def recover(self) -> int:
        """Close the books on syncs whose workers are gone, and tell how many they were."""
        async with self._database.write() as connection:
            return await interrupt_abandoned(connection, self._clock())

    async def list_offer(self, source_id: str) -> Sequence[Listing]:
        """Give what a verified source lists, as it was last heard; one that never was is asked now, by a sync.

        Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``; what made that sync fail.
        """
        require_verified(await require_source(self._database, source_id))
        async with self._database.read() as connection:
            heard = await get_listing_state(connection, source_id) is not None
        if not heard:
            sync = (await self.run_now(source_id)).sync
            if sync.code is not None:
                raise PfnError(next(code for code in Code if code.slug == sync.code), sync.detail or "The sync failed.")
        async with self._database.read() as connection:
            return await list_listings(connection, source_id)

    async def _open(self, source_id: str, lease: Lease) -> Sync:
        """Make the row of a sync whose lease we have; what else says it runs of this source does not."""
        now = int(self._clock())
        try:
            async with self._database.write() as connection:
                source = await get_source(connection, source_id, lock=True)
                _require_known(source, source_id)
                await interrupt_syncs(connection, source_id, now)
                return await add_sync(connection, source_id, now)
        except BaseException:
            await asyncio.shield(self._leases.end(lease))
            raise


def _require_known(source: Source | None, source_id: str) -> None:
    if source is None:
        raise PfnError(Code.SOURCE_UNKNOWN, f"{source_id} was purged meanwhile.")
