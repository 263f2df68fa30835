"""What a sync does: ask what a source lists, plan, mirror what is new and wanted, record what is not.

What it costs grows with what changed. An unchanged source is one request and leaves no row. Of a changed one only the
changes are looked at, and what failed and is due; everything that is listed is gone through only where the wishes, the
keys or the time changed the matter, or a person asks. Until that is done, a mark in ``listing_states`` is missing, so
that a crash anywhere is a look at everything by the next sync.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog
from structlog.contextvars import bound_contextvars

from pfn.domain.listing import BELIEVED_AFTER_S, is_believed
from pfn.domain.quota import Quota
from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.source import Source, SourceStatus
from pfn.domain.sync import Listing, SyncFailure, SyncState, Wishes, plan_postponed, plan_sync
from pfn.domain.trust import Gate
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.naming_scheme import names_version
from pfn.services.clock import Clock
from pfn.services.listing import BATCH, Heard, ListingService, Taken, tell_author
from pfn.services.mirror import MirrorService
from pfn.services.quota import QuotaService
from pfn.services.room import Room
from pfn.services.schedule import ScheduleService, host_of
from pfn.services.sync_failure import forget_superseded, record_failed_sync, record_refusals, record_whole_sync
from pfn.services.sync_progress import SyncProgress
from pfn.services.trust import refresh_trust
from pfn.services.verification import require_known
from pfn.storage.database import Database
from pfn.storage.listing import ListingState, change_listing_state, get_listing_state
from pfn.storage.release import known_releases, releases_among
from pfn.storage.signed_document import newest_key_version
from pfn.storage.source import change_source, get_source
from pfn.storage.subscription import list_subscriptions
from pfn.storage.sync import list_failures, next_retry_at, put_failure
from pfn.tracing import span

log = structlog.get_logger()

RECHECK_EVERY_S = 7 * 86_400
_FEW = 500
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Memory:
    """What is known of a source before it is asked. ``failures`` are keyed by (slug, version)."""

    state: ListingState
    failures: Mapping[_Key, SyncFailure]
    wishes: Wishes

    def is_stale(self, wishes: Wishes, now: float) -> bool:
        """Tell whether everything that is listed must be gone through, though none of it changed."""
        state = self.state
        ripe = state.look_again_at is not None and state.look_again_at <= now
        return ripe or is_believed(state.shrank_at, now) or state.wanted_digest != wishes.digest()

    def due(self, now: float) -> frozenset[_Key]:
        """Give the releases that failed and may be tried again."""
        return frozenset(
            key
            for key, failure in self.failures.items()
            if failure.plugin_id and failure.next_retry is not None and failure.next_retry <= now
        )


@dataclass(frozen=True, slots=True)
class _Look:
    """What was gone through: the state to keep, failures put off, the seconds the publisher wants to be left alone."""

    state: ListingState
    postponed: Sequence[SyncFailure] = ()
    pause: int | None = None


class SyncRunner:
    """Does syncs, one source at a time; who calls holds the source's lease."""

    def __init__(
        self,
        database: Database,
        listings: ListingService,
        mirror: MirrorService,
        quotas: QuotaService,
        room: Room,
        schedule: ScheduleService,
        clock: Clock,
        *,
        allow_unsigned: bool,
    ) -> None:
        self._database = database
        self._listings = listings
        self._mirror = mirror
        self._quotas = quotas
        self._room = room
        self._schedule = schedule
        self._clock = clock
        self._allow_unsigned = allow_unsigned

    async def run(self, source_id: str, progress: SyncProgress, *, recheck: bool, retry_all: bool) -> Outcome:
        """Sync a source; what goes wrong is recorded, and the row of ``progress`` closed, where there is one.

        With ``recheck`` known releases are fetched again and compared; with ``retry_all`` no failure waits for its
        time. Raises PfnError (``lease_lost``).
        """
        with span("sync", {"pfn.source": source_id}), bound_contextvars(source=source_id, sync_id=progress.sync_id):
            try:
                outcome = await self._run(source_id, progress, recheck=recheck, retry_all=retry_all)
            except PfnError as error:
                if error.code is Code.LEASE_LOST:
                    raise
                outcome = await self._fail(source_id, progress, error)
            except BaseException:
                await asyncio.shield(progress.interrupt())
                raise
            log.info("sync_ended", outcome=outcome.result.value, detail=outcome.detail, mirrored=progress.mirrored)
            return outcome

    async def _run(self, source_id: str, progress: SyncProgress, *, recheck: bool, retry_all: bool) -> Outcome:
        source, memory = await self._recall(source_id)
        _refuse_gated(source)
        now = int(self._clock())
        recheck = recheck or _is_recheck_due(source, memory.state, now)
        heard = await self._listings.ask(source, memory.state)
        if not (heard.changed or recheck or memory.is_stale(memory.wishes, now) or memory.due(now)):
            taken = Taken(frozenset(), (), 0, shrank_at=memory.state.shrank_at)
            if progress.sync_id is not None:
                taken = await self._listings.unchanged(source, memory.state, memory.failures)
            return await self._finish(source, progress, heard, taken, memory, None)
        taken = await self._listings.take_in(
            source, heard, memory.state, memory.failures, progress, retry_all=retry_all
        )
        # Reading may have walked new key documents: other hands, or a contradiction, count from now on.
        source, fresh = await self._recall(source_id)
        everything = recheck or memory.is_stale(fresh.wishes, now)
        look = await self._look(
            source, progress, taken, fresh, everything=everything, recheck=recheck, retry_all=retry_all
        )
        return await self._finish(source, progress, heard, taken, fresh, look)

    async def _recall(self, source_id: str) -> tuple[Source, _Memory]:
        async with self._database.read() as connection:
            source = require_verified(require_known(source_id, await get_source(connection, source_id)))
            state = await get_listing_state(connection, source.id) or ListingState()
            failures = {(one.plugin_id, one.version): one for one in await list_failures(connection, source.id)}
            filters = [one.filters for one in await list_subscriptions(connection, source_id=source.id)]
            keys = await newest_key_version(connection, source.id) if source.generation > 1 else 0
        allow_unsigned = self._allow_unsigned if source.allow_unsigned is None else source.allow_unsigned
        held = _hold_back(source, self._clock())
        wishes = Wishes(filters, source.username, source.trust_score, allow_unsigned, held, keys)
        return source, _Memory(state, failures, wishes)

    async def _look(
        self,
        source: Source,
        progress: SyncProgress,
        taken: Taken,
        memory: _Memory,
        *,
        everything: bool,
        recheck: bool,
        retry_all: bool,
    ) -> _Look:
        """Go through what changed, or everything, and mirror what is wanted of it."""
        now = int(self._clock())
        due = memory.due(now)
        slugs = None if everything else taken.slugs | {slug for slug, _ in due}
        listings = await self._listings.find(source, taken, slugs)
        plan = plan_sync(
            listings,
            await self._known(source, listings),
            memory.wishes,
            memory.failures,
            now,
            recheck=recheck,
            retry_all=retry_all,
        )
        if plan.fetch or taken.refusals:
            await progress.open()
        if progress.sync_id is not None:
            progress.failed += len(taken.refusals)
            async with self._database.write() as connection:
                await progress.write(connection, total=taken.total, wanted=len(plan.fetch), detail=memory.wishes.held)
                await record_refusals(connection, source, taken.refusals, memory.failures, now)
        pause = await self._mirror_batches(source, progress, taken, plan.fetch, memory, recheck=recheck)
        tried = {(one.slug, one.version) for one in plan.fetch}
        tried |= {(one.listing.slug, one.listing.version) for one in taken.refusals}
        before = memory.state
        ripe = [plan.look_again_at, None if everything else before.look_again_at]
        state = replace(
            before,
            wanted_digest=memory.wishes.digest() if pause is None else None,
            look_again_at=min((at for at in ripe if at is not None), default=None),
            rechecked_at=now if recheck or before.rechecked_at is None else before.rechecked_at,
        )
        # What is due but not wanted, or not to be read, needs no look each time.
        postponed = [plan_postponed(memory.failures[key], now) for key in sorted(due - tried)]
        return _Look(state, postponed, pause)

    async def _known(self, source: Source, listings: Sequence[Listing]) -> Mapping[_Key, str]:
        async with self._database.read() as connection:
            if len(listings) > _FEW:
                return await known_releases(connection, source.id)
            return await releases_among(connection, source.id, [(one.slug, one.version) for one in listings])

    async def _mirror_batches(
        self,
        source: Source,
        progress: SyncProgress,
        taken: Taken,
        fetch: Sequence[Listing],
        memory: _Memory,
        *,
        recheck: bool,
    ) -> int | None:
        """Mirror what the plan says; where the publisher asks for a pause, stop and give it in seconds."""
        if not fetch:
            return None
        quota: Quota = await self._quotas.measure(source.id)
        for start in range(0, len(fetch), BATCH):
            await self._room.require()
            listings, refusals = await self._listings.prepare(source, taken, fetch[start : start + BATCH])
            progress.refuse(len(refusals))
            mirrored = await self._mirror.mirror(
                source,
                listings,
                quota,
                progress,
                allow_unsigned=memory.wishes.allow_unsigned,
                recheck=recheck,
            )
            quota = mirrored.quota
            refusals += mirrored.refusals
            async with self._database.write() as connection:
                await progress.write(connection)
                await record_refusals(connection, source, refusals, memory.failures, int(self._clock()))
            if start == 0:
                # Only now is it known: a reserve may be there and too small.
                await self._room.record_recovered()
            pauses = [one.error.retry_after for one in refusals if one.error.retry_after]
            if pauses and start + BATCH < len(fetch):
                return max(pauses)
        return None

    async def _finish(
        self,
        source: Source,
        progress: SyncProgress,
        heard: Heard,
        taken: Taken,
        memory: _Memory,
        look: _Look | None,
    ) -> Outcome:
        now = int(self._clock())
        wait = heard.max_age if look is None or look.pause is None else look.pause
        # That nothing changed is found out again by itself.
        lasting = look is not None or progress.sync_id is not None
        async with self._database.write(lasting=lasting) as connection:
            current = await get_source(connection, source.id, lock=True)
            if current is None:
                raise PfnError(Code.SOURCE_UNKNOWN, f"{source.id} was purged meanwhile.")
            shrank = await record_whole_sync(connection, source, taken, memory.failures.get(("", "")), now)
            paused = f"The publisher asked for a pause of {look.pause} s." if look and look.pause else None
            details = [one for one in (memory.wishes.held, shrank, paused) if one]
            await progress.end(connection, SyncState.FINISHED, total=taken.total, detail=" ".join(details) or None)
            values: dict[str, object] = {"last_sync": now}
            if heard.changed:
                values["author"] = tell_author(source, heard)
            await change_source(connection, source.id, **values)
            if taken.listed is not None and taken.shrank_at is None:
                await forget_superseded(connection, source, taken.listed, memory.failures)
            if look is not None:
                for failure in look.postponed:
                    await put_failure(connection, failure)
                if look.state != memory.state:
                    await change_listing_state(
                        connection,
                        source.id,
                        wanted_digest=look.state.wanted_digest,
                        look_again_at=look.state.look_again_at,
                        rechecked_at=look.state.rechecked_at,
                    )
            if progress.sync_id is not None:
                await refresh_trust(connection, replace(current, last_sync=now), now)
            state = memory.state if look is None else look.state
            ends = [
                await next_retry_at(connection, source.id, now),
                state.look_again_at,
                None if taken.shrank_at is None else taken.shrank_at + BELIEVED_AFTER_S,
                None if look is None or look.pause is None else now,
            ]
            soon = min((at for at in ends if at is not None), default=None)
            if soon is not None and current.status is SourceStatus.VERIFIED:
                # The pace would let it wait for longer; the publisher's own wish counts more than either.
                at = max(soon, now + (wait or 0))
                await self._schedule.put(connection, Work.SYNC, source.id, at=at, host=host_of(source))
        changed = bool(taken.slugs) or progress.mirrored > 0
        return Outcome(Result.CHANGED if changed else Result.UNCHANGED, wait)

    async def _fail(self, source_id: str, progress: SyncProgress, error: PfnError) -> Outcome:
        now = int(self._clock())
        async with self._database.write() as connection:
            await progress.end(connection, SyncState.FAILED, code=error.code.slug, detail=error.detail)
            source = await get_source(connection, source_id)
            if source is not None:
                failures = {(one.plugin_id, one.version): one for one in await list_failures(connection, source_id)}
                await record_failed_sync(connection, source, error, failures.get(("", "")), now)
            if error.code is Code.STORAGE_FULL:
                await self._room.record_full(connection, error.detail)
        return Outcome(Result.FAILED, error.retry_after, error.code.slug)


def require_verified(source: Source) -> Source:
    """Give the source back. Raises PfnError: ``source_suspended``, ``source_not_verified``."""
    if source.status is SourceStatus.SUSPENDED:
        raise PfnError(Code.SOURCE_SUSPENDED, f"{source.id} is suspended: {source.status_detail}")
    if source.status is not SourceStatus.VERIFIED:
        why = f" Last reason: {source.status_detail}" if source.status_detail else ""
        raise PfnError(
            Code.SOURCE_NOT_VERIFIED,
            f"{source.id} has not proven its key yet (status {source.status.value}).{why} "
            f"Verify it first: pfn source verify {source.id}",
        )
    return source


def _refuse_gated(source: Source) -> None:
    if Gate.EQUIVOCATION.value in source.gates:
        raise PfnError(
            Code.SOURCE_GATED,
            f"{source.id} contradicted itself; nothing new of it is taken until you have looked at the evidence and "
            f"decided: pfn source lift-gate {source.id}",
        )


def _hold_back(source: Source, now: float) -> str | None:
    """Say why nothing new is taken of a source that contradicts itself, or changed hands a short while ago (b.6)."""
    if Gate.EQUIVOCATION.value in source.gates:
        return f"{source.id} contradicted itself in this very sync; nothing new of it is taken."
    until = source.cool_down_until
    if until is None or now >= until:
        return None
    when = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{source.id} changed hands; nothing new of it is taken until {when}."


def _is_recheck_due(source: Source, state: ListingState, now: int) -> bool:
    """Tell whether the newest zips of a v1 source without versions in their URLs are to be compared again."""
    if source.generation > 1 or state.rechecked_at is None or now < state.rechecked_at + RECHECK_EVERY_S:
        return False
    try:
        return not names_version(source.asset_naming_scheme or "")
    except PfnError:
        return False
