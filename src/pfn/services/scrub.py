"""Look over the whole store: hash every blob again, those longest unchecked first, and mend what is damaged.

A look goes by a time: whatever was not looked at since then is. That time is kept until the look is done, and when each
blob was looked at is written down a few seconds' reading at a time, so that a look that was killed goes on where it
was. It reads no faster than it may, and in threads, so that it holds nobody up. Of proofs it knows nothing: those are
looked at with the bytes of each source (``pfn.services.recheck``), and blobs that were are not read a second time.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import structlog

from pfn.domain.release import Blob
from pfn.domain.schedule import Outcome, Result, Work
from pfn.protocol.errors import Code, PfnError
from pfn.services.blob_repair import BlobRepair, Holder
from pfn.services.clock import Clock
from pfn.services.lease import Lease, LeaseService
from pfn.services.schedule import ScheduleService
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database
from pfn.storage.digest import find_damaged
from pfn.storage.measure import measure_blobs
from pfn.storage.recheck import (
    get_look,
    list_holders,
    list_longest_unchecked,
    mark_checked,
    measure_unchecked,
    newest_check,
    oldest_check,
    put_look,
)
from pfn.storage.source import get_source

log = structlog.get_logger()

_BATCH = 256
_BATCH_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ScrubStatus:
    """How the store stands, and the look over it: ``left`` of it where one is not done yet, else 0.

    Times are Unix seconds; ``oldest_check`` is the oldest of the last looks at any blob that was ever looked at.
    """

    running: bool
    blobs: int
    bytes: int
    left: int
    left_bytes: int
    unfinished: bool
    damaged: int
    never: int
    oldest_check: int | None
    ran_at: int | None
    outcome: str | None

    def to_json(self) -> dict[str, object]:
        """Give it as the API shows it."""
        return asdict(self)


class ScrubService:
    """Looks over the store; by itself at blobs not looked at for ``every_s``. ``rate``: bytes a second, 0 for any."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        repair: BlobRepair,
        leases: LeaseService,
        schedule: ScheduleService,
        clock: Clock,
        *,
        every_s: int,
        rate: int,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._repair = repair
        self._leases = leases
        self._schedule = schedule
        self._clock = clock
        self._every_s = every_s
        self._rate = rate

    async def status(self) -> ScrubStatus:
        """Tell how the store and the look over it stand."""
        due = await self._schedule.find(Work.SCRUB)
        async with self._database.read() as connection:
            stored = await measure_blobs(connection)
            before = await get_look(connection)
            left = (0, 0) if before is None else await measure_unchecked(connection, before=before)
            never, oldest = await oldest_check(connection)
        return ScrubStatus(
            running=due is not None and due.is_leased(self._clock()),
            blobs=stored.count,
            bytes=stored.size,
            left=left[0],
            left_bytes=left[1],
            unfinished=before is not None,
            damaged=stored.corrupt,
            never=never,
            oldest_check=oldest,
            ran_at=None if due is None else due.ran_at,
            outcome=None if due is None else due.outcome,
        )

    async def begin(self) -> Lease:
        """Begin a look at everything, which ``run`` does, or go on with one that was not done.

        Raises PfnError (``wrong_state``) where somebody does it now.
        """
        lease = await self._leases.claim(Work.SCRUB, "")
        if lease is None:
            raise PfnError(Code.WRONG_STATE, "The store is being looked over now.")
        async with self._database.read() as connection:
            newest = await newest_check(connection)
        # After what was looked at within this very second: that was before somebody asked.
        await self._open(max(int(self._clock()), 0 if newest is None else newest + 1))
        return lease

    async def run(self, lease: Lease, rate: int | None = None) -> Outcome:
        """Do a look that began, at the given rate or the node's own; what goes wrong is an outcome, not raised."""
        outcome = Outcome(Result.FAILED, detail=Code.INTERNAL.slug)
        try:
            async with self._leases.keep(lease):
                outcome = await self._look_over(self._rate if rate is None else rate)
        except asyncio.CancelledError:
            await asyncio.shield(self._leases.end(lease))
            raise
        except PfnError as error:
            outcome = Outcome(Result.FAILED, error.retry_after, error.code.slug)
            if error.code is Code.LEASE_LOST:
                return outcome
        except BaseException:
            await self._schedule.finish(lease, outcome)
            raise
        await self._schedule.finish(lease, outcome)
        return outcome

    async def run_due(self) -> Outcome:
        """Look at what nobody looked at for long, for a worker that keeps and ends the lease."""
        await self._open(int(self._clock()) - self._every_s)
        return await self._look_over(self._rate)

    async def _open(self, before: int) -> None:
        async with self._database.write() as connection:
            if await get_look(connection) is None:
                await put_look(connection, before)

    async def _look_over(self, rate: int) -> Outcome:
        async with self._database.read() as connection:
            before = await get_look(connection)
        if before is None:
            return Outcome(Result.UNCHANGED)
        looked = mended = damaged = 0
        while True:
            async with self._database.read() as connection:
                found = await list_longest_unchecked(connection, before=before, limit=_BATCH)
            if not found:
                break
            for batch in _cut(found):
                began = time.monotonic()
                bad = await self._look_at(batch, before)
                looked += len(batch)
                damaged += bad[1]
                mended += bad[0]
                if rate:
                    await asyncio.sleep(sum(blob.size for blob in batch) / rate - (time.monotonic() - began))
        async with self._database.write() as connection:
            await put_look(connection, None)
        said = f"Zips looked at: {looked}, mended: {mended}, damaged still: {damaged}."
        log.info("store_looked_over", looked=looked, mended=mended, damaged=damaged)
        if damaged:
            return Outcome(Result.FAILED, detail=said)
        return Outcome(Result.UNCHANGED, detail=said)

    async def _look_at(self, batch: Sequence[Blob], before: int) -> tuple[int, int]:
        """Look at some blobs; tell how many were mended, and how many are damaged still."""
        damaged = await find_damaged(self._blobs, batch)
        mended = left = 0
        for blob in batch:
            if blob.corrupt or blob.sha256 in damaged:
                whole = await self._settle(blob, intact=blob.sha256 not in damaged)
                mended += whole is True
                left += whole is False
        # After a power cut, what was looked at in the last moments is looked at again.
        async with self._database.write(lasting=False) as connection:
            # Even where the clock went back, or they would be looked at without end.
            await mark_checked(connection, [blob.sha256 for blob in batch], max(int(self._clock()), before))
        return mended, left

    async def _settle(self, blob: Blob, *, intact: bool) -> bool | None:
        """Deal with a blob; tell whether it is whole now, None where nothing needs it, damaged or not."""
        async with self._database.read() as connection:
            found = await list_holders(connection, blob.sha256)
            sources = [await get_source(connection, releases[0].source_id) for releases in found]
        holders = [
            Holder(source, releases) for source, releases in zip(sources, found, strict=True) if source is not None
        ]
        return await self._repair.settle(blob, holders, intact=intact) if holders else None


def _cut(blobs: Sequence[Blob]) -> list[list[Blob]]:
    """Cut blobs into batches of few seconds' reading."""
    batches: list[list[Blob]] = [[]]
    size = 0
    for blob in blobs:
        if size + blob.size > _BATCH_BYTES and batches[-1]:
            batches.append([])
            size = 0
        batches[-1].append(blob)
        size += blob.size
    return batches
