"""Collect garbage: delete stored bytes that no row needs, and what was left half there.

Needed are the bytes of every release, and of those that are retired for the grace period longer; what is in quarantine;
and whatever is younger than the grace period. Everything is looked at without holding anybody up, and deleted a few at
a time in transactions that find out once more what is needed (``pfn.storage.garbage``). A crash leaves garbage.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.schedule import Outcome, Result, Work
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.lease import LeaseService
from pfn.services.schedule import ScheduleService
from pfn.storage.activity import add_activities
from pfn.storage.blob_store import BlobStore, StoredBlob
from pfn.storage.database import Database
from pfn.storage.garbage import begin_collection, list_unneeded, take_unneeded, without_quarantine, without_row

log = structlog.get_logger()

DAY = 86_400
LEAST_GRACE_S = 3600
"""Less could delete what a zip that just arrives is compared with, for nothing: it would be fetched again."""
KEEP_DAMAGED_S = 30 * DAY
"""How long damaged bytes that were set apart wait for their operator."""
_AT_A_TIME = 32
_PAGE = 500
_TRIES, _TRY_AGAIN_S = 200, 0.05

_Find = Callable[[AsyncConnection, Sequence[str]], Awaitable[set[str]]]


@dataclass(slots=True)
class Garbage:
    """What went, or would go: bytes nobody needs, of them those of retired releases, of quarantine, files half there.

    ``files`` are counted as they are deleted, and so are not known before.
    """

    grace_s: int
    dry_run: bool
    blobs: int = 0
    bytes: int = 0
    retired: int = 0
    quarantined: int = 0
    files: int | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there was nothing."""
        return not (self.blobs or self.quarantined or self.files)

    def to_json(self) -> dict[str, object]:
        """Give it as the API shows it."""
        return asdict(self)

    def describe(self) -> str:
        """Tell it in a sentence."""
        verb = "Can be deleted" if self.dry_run else "Deleted"
        retired = f" ({self.retired} of retired releases)" if self.retired else ""
        files = "" if self.files is None else f", files left half there: {self.files}"
        zips = f"zips that nothing needs: {self.blobs}{retired}, that are in quarantine no more: {self.quarantined}"
        return f"{verb}: {zips}{files}; {self.bytes} bytes."


class GarbageService:
    """Collects garbage; by itself with ``grace_days``, which for 0 is never."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        leases: LeaseService,
        schedule: ScheduleService,
        clock: Clock,
        *,
        grace_days: int,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._leases = leases
        self._schedule = schedule
        self._clock = clock
        self.grace_days = grace_days

    async def look(self, grace_s: int | None = None) -> Garbage:
        """Tell what would go, and delete nothing. Raises PfnError as ``collect``."""
        found = Garbage(self._grace(grace_s), dry_run=True)
        await self._go_through(found)
        return found

    async def collect(self, actor: str, grace_s: int | None = None) -> Garbage:
        """Delete what nobody needs and did not for the grace period, in seconds.

        Raises PfnError: ``invalid_field`` for a period that is too short, ``wrong_state`` where somebody does it now.
        """
        gone = Garbage(self._grace(grace_s), dry_run=False)
        lease = await self._leases.claim(Work.COLLECT, "")
        if lease is None:
            raise PfnError(Code.WRONG_STATE, "Garbage is being collected now.")
        outcome = Outcome(Result.FAILED)
        try:
            async with self._leases.keep(lease):
                await self._go_through(gone)
                await self._record(actor, gone)
            outcome = _conclude(gone)
        finally:
            await asyncio.shield(self._schedule.finish(lease, outcome))
        return gone

    async def collect_due(self, actor: str) -> Outcome:
        """Do the same for a worker that keeps and ends the lease, by the settings."""
        if not self.grace_days:
            return Outcome(Result.UNCHANGED)
        gone = Garbage(self.grace_days * DAY, dry_run=False)
        await self._go_through(gone)
        if not gone.is_empty:
            await self._record(actor, gone)
        return _conclude(gone)

    def _grace(self, given: int | None) -> int:
        grace = (self.grace_days or 7) * DAY if given is None else given
        if grace < LEAST_GRACE_S:
            raise PfnError(Code.INVALID_FIELD, "grace: must be an hour or more, for zips arrive meanwhile.")
        return grace

    async def _go_through(self, count: Garbage) -> None:
        before = int(self._clock()) - count.grace_s
        await self._collect_known(count, before)
        await self._collect_unknown(count, before, self._blobs.list(), without_row, self._delete_blob)
        await self._collect_unknown(
            count, before, self._blobs.list_quarantined(), without_quarantine, self._delete_quarantined
        )
        if not count.dry_run:
            count.files = await self._blobs.sweep_stale(before, damaged_before=self._clock() - KEEP_DAMAGED_S)

    async def _collect_known(self, count: Garbage, before: int) -> None:
        """Go through the rows: what they say is stored, and no release needs."""
        after = ""
        while True:
            async with self._database.read() as connection:
                found = await list_unneeded(connection, before=before, after=after, limit=_AT_A_TIME)
            if not found:
                return
            after = found[-1].sha256
            if not count.dry_run:
                async with self._database.write() as connection:
                    await self._begin(connection)
                    digests = [one.sha256 for one in found]
                    found = await take_unneeded(connection, digests, before=before, now=int(self._clock()))
                    await asyncio.gather(*(self._blobs.delete(one.sha256) for one in found))
            count.blobs += len(found)
            count.bytes += sum(one.size for one in found)
            count.retired += sum(one.retired for one in found)

    async def _collect_unknown(
        self,
        count: Garbage,
        before: int,
        stored: AsyncIterator[StoredBlob],
        find: _Find,
        go: Callable[[Garbage, StoredBlob], Awaitable[None]],
    ) -> None:
        """Go through the store: what is there and no row speaks of, as ``find`` tells; ``go`` deletes one of them."""
        async for page in _pages(stored, before):
            async with self._database.read() as connection:
                strange = await find(connection, list(page))
            for first in range(0, len(strange), _AT_A_TIME):
                some = sorted(strange)[first : first + _AT_A_TIME]
                if count.dry_run:
                    await asyncio.gather(*(go(count, page[digest]) for digest in some))
                    continue
                async with self._database.write() as connection:
                    await self._begin(connection)
                    still = await find(connection, some)
                    await asyncio.gather(*(go(count, page[digest]) for digest in sorted(still)))

    async def _delete_blob(self, count: Garbage, stored: StoredBlob) -> None:
        if not count.dry_run:
            await self._blobs.delete(stored.sha256)
        count.blobs += 1
        count.bytes += stored.size

    async def _delete_quarantined(self, count: Garbage, stored: StoredBlob) -> None:
        if not count.dry_run:
            await self._blobs.drop_quarantined(stored.sha256)
        count.quarantined += 1
        count.bytes += stored.size

    async def _begin(self, connection: AsyncConnection) -> None:
        for _ in range(_TRIES):
            if await begin_collection(connection):
                return
            await asyncio.sleep(_TRY_AGAIN_S)
        raise PfnError(Code.NOT_READY, "Releases are written all the time; the garbage waits.", retry_after=60)

    async def _record(self, actor: str, gone: Garbage) -> None:
        log.info("garbage_collected", **gone.to_json())
        details = describe("garbage_collected", gone.describe())
        event = Activity(ActivityType.FEDERATION_EVENT, int(self._clock()), actor, details, private=True)
        async with self._database.write() as connection:
            await add_activities(connection, [event])


def _conclude(gone: Garbage) -> Outcome:
    return Outcome(Result.UNCHANGED if gone.is_empty else Result.CHANGED, detail=gone.describe())


async def _pages(stored: AsyncIterator[StoredBlob], before: int) -> AsyncIterator[dict[str, StoredBlob]]:
    """Give what is older than a time, some at a time, by its digest."""
    page: dict[str, StoredBlob] = {}
    async for one in stored:
        if one.modified_at < before:
            page[one.sha256] = one
        if len(page) == _PAGE:
            yield page
            page = {}
    if page:
        yield page
