"""Sync a source: ask what it lists, plan, mirror what is new and wanted, record what is not.

One sync of a source runs at a time in this process. Its progress is a row that anyone may read while it runs.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.quarantine import Quarantined, belongs_in_quarantine
from pfn.domain.release import Blob
from pfn.domain.source import AuthorInfo, Source, SourceStatus
from pfn.domain.sync import Listing, Sync, SyncFailure, SyncState, plan_retry, plan_sync
from pfn.domain.trust import Gate
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.services.clock import Clock
from pfn.services.evidence import record_evidence
from pfn.services.listing import Offer, list_v1
from pfn.services.mirror import MirrorService, Refusal
from pfn.services.signed_listing import SignedListingService
from pfn.services.trust import is_failed_proof, refresh_trust
from pfn.services.verification import require_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.quarantine import put_quarantined
from pfn.storage.release import get_release, known_releases
from pfn.storage.source import change_source, get_source
from pfn.storage.subscription import list_subscriptions
from pfn.storage.sync import (
    add_sync,
    change_sync,
    clear_failure,
    get_sync,
    interrupt_syncs,
    list_failures,
    put_failure,
)

BATCH = 64


@dataclass(frozen=True, slots=True)
class SyncOutcome:
    """A finished run, and who the publisher says it is."""

    sync: Sync
    author: AuthorInfo | None


class SyncService:
    """Runs syncs."""

    def __init__(
        self,
        database: Database,
        publishers: PublisherClient,
        signed_listings: SignedListingService,
        mirror: MirrorService,
        clock: Clock,
        *,
        allow_unsigned: bool,
    ) -> None:
        self._database = database
        self._publishers = publishers
        self._signed_listings = signed_listings
        self._mirror = mirror
        self._clock = clock
        self._allow_unsigned = allow_unsigned
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def begin(self, source_id: str) -> Sync:
        """Record that a sync of a verified source begins; ``run`` does it.

        Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``.
        """
        require_verified(await require_source(self._database, source_id))
        async with self._database.write() as connection:
            return await add_sync(connection, source_id, int(self._clock()))

    async def run(self, sync: Sync, *, recheck: bool = False) -> SyncOutcome:
        """Do a sync that began, after any other of the same source; what goes wrong is recorded, not raised.

        With ``recheck`` known releases are fetched again and compared, and failed ones are tried at once.
        """
        turn = self._turns.setdefault(sync.source_id, asyncio.Lock())
        async with turn:
            try:
                author = await self._run(sync, recheck=recheck)
            except PfnError as error:
                await self._fail(sync, error)
                return SyncOutcome(await self.get(sync.id), None)
            except BaseException:
                await asyncio.shield(self._interrupt(sync))
                raise
            return SyncOutcome(await self.get(sync.id), author)

    async def get(self, sync_id: int) -> Sync:
        """Find a sync, running or past. Raises PfnError (``sync_unknown``)."""
        async with self._database.read() as connection:
            sync = await get_sync(connection, sync_id)
        if sync is None:
            raise PfnError(Code.SYNC_UNKNOWN, f"No sync has the id {sync_id}.")
        return sync

    async def recover(self) -> int:
        """Close the books on syncs a killed process left running, at start-up, and tell how many they were."""
        async with self._database.write() as connection:
            return await interrupt_syncs(connection, int(self._clock()))

    async def _run(self, sync: Sync, *, recheck: bool) -> AuthorInfo | None:
        source = require_verified(await require_source(self._database, sync.source_id))
        _refuse_gated(source)
        async with self._database.read() as connection:
            known = await known_releases(connection, source.id)
            failures = {(one.plugin_id, one.version): one for one in await list_failures(connection, source.id)}
            wanted = [one.filters for one in await list_subscriptions(connection, source_id=source.id)]
        if source.generation == 1:
            offer = await list_v1(self._publishers, source)
        else:
            offer = await self._signed_listings.offer(source, known, failures, recheck=recheck)
            # Listing may have walked new key documents: other hands, or a contradiction, count from now on.
            source = require_verified(await require_source(self._database, sync.source_id))
        allow_unsigned = self._allow_unsigned if source.allow_unsigned is None else source.allow_unsigned
        plan = plan_sync(
            offer.listings,
            known.keys(),
            wanted,
            failures,
            self._clock(),
            allow_unsigned=allow_unsigned,
            recheck=recheck,
        )
        fetch, detail = self._hold_back(source, plan.fetch)
        async with self._database.write() as connection:
            await change_source(connection, source.id, author=offer.author)
            await clear_failure(connection, source.id, "", "")
            await change_sync(connection, sync.id, total=offer.total, wanted=len(fetch), detail=detail)
        await self._forget_superseded(source, offer, failures)
        await self._record_refusals(source, offer.unreadable, failures)
        mirrored, failed = await self._mirror_batches(sync, source, fetch, failures, allow_unsigned)
        await self._finish(sync, source, mirrored, failed + len(offer.unreadable))
        return offer.author

    async def _forget_superseded(
        self, source: Source, offer: Offer, failures: Mapping[tuple[str, str], SyncFailure]
    ) -> None:
        """Forget what failed and is listed no more; a failed proof is remembered, for it weighs on trust."""
        listed = {(one.slug, one.version) for one in offer.listings}
        listed |= {(one.listing.slug, one.listing.version) for one in offer.unreadable}
        gone = [
            failure
            for key, failure in failures.items()
            if key != ("", "") and key not in listed and not is_failed_proof(failure.code)
        ]
        if gone:
            async with self._database.write() as connection:
                for failure in gone:
                    await clear_failure(connection, source.id, failure.plugin_id, failure.version)

    def _hold_back(self, source: Source, fetch: Sequence[Listing]) -> tuple[Sequence[Listing], str | None]:
        """Take nothing new of a source that contradicts itself, or changed hands a short while ago (threats b.6)."""
        if Gate.EQUIVOCATION.value in source.gates:
            return (), f"{source.id} contradicted itself in this very sync; nothing new of it is taken."
        until = source.cool_down_until
        if until is None or self._clock() >= until:
            return fetch, None
        when = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%d %H:%M UTC")
        return (), f"{source.id} changed hands; nothing new of it is taken until {when}."

    async def _mirror_batches(
        self,
        sync: Sync,
        source: Source,
        fetch: Sequence[Listing],
        failures: dict[tuple[str, str], SyncFailure],
        allow_unsigned: bool,
    ) -> tuple[int, int]:
        mirrored = failed = 0
        for start in range(0, len(fetch), BATCH):
            batch = fetch[start : start + BATCH]
            fresh, refusals = await self._mirror.mirror(source, batch, allow_unsigned=allow_unsigned)
            await self._record_refusals(source, refusals, failures)
            mirrored += fresh
            failed += len(refusals)
            async with self._database.write() as connection:
                done = start + len(batch)
                await change_sync(connection, sync.id, done=done, mirrored=mirrored, failed=failed)
        return mirrored, failed

    async def _record_refusals(
        self,
        source: Source,
        refusals: Sequence[Refusal],
        known: dict[tuple[str, str], SyncFailure],
    ) -> None:
        if not refusals:
            return
        now = int(self._clock())
        events = []
        async with self._database.write() as connection:
            for refusal in refusals:
                listing, error = refusal.listing, refusal.error
                before = known.get((listing.slug, listing.version))
                failure = _failure(source.id, listing, error, before, now, refusal.blob)
                await put_failure(connection, failure)
                if error.code is Code.RELEASE_CONFLICT and refusal.blob is not None:
                    await _record_conflict(connection, source, refusal, now)
                if belongs_in_quarantine(error.code):
                    await put_quarantined(connection, _quarantined(source, refusal, now))
                # The feed hears of a failure when it is new, not each time it repeats.
                if before is None or before.code != failure.code or error.code.fault is Fault.SECURITY:
                    events.append(_refusal_event(source, refusal, now))
            await add_activities(connection, events)

    async def _finish(self, sync: Sync, source: Source, mirrored: int, failed: int) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            await change_sync(
                connection,
                sync.id,
                state=SyncState.FINISHED,
                finished_at=now,
                mirrored=mirrored,
                failed=failed,
            )
            await change_source(connection, source.id, last_sync=now)
            current = await get_source(connection, source.id)
            if current is not None:
                await refresh_trust(connection, current, now)

    async def _fail(self, sync: Sync, error: PfnError) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            await change_sync(
                connection,
                sync.id,
                state=SyncState.FAILED,
                finished_at=now,
                code=error.code.slug,
                detail=error.detail,
            )
            failures = {(one.plugin_id, one.version): one for one in await list_failures(connection, sync.source_id)}
            before = failures.get(("", ""))
            await put_failure(connection, _failure(sync.source_id, Listing("", "", "", None), error, before, now))
            source = await get_source(connection, sync.source_id)
            if source is not None and (before is None or before.code != error.code.slug):
                details = describe(
                    "sync_failed", f"The sync of {source.id} failed: {error.detail}", code=error.code.slug
                )
                await add_activities(connection, [source_event(source, now, details)])

    async def _interrupt(self, sync: Sync) -> None:
        async with self._database.write() as connection:
            await change_sync(connection, sync.id, state=SyncState.INTERRUPTED, finished_at=int(self._clock()))


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


def _failure(
    source_id: str,
    listing: Listing,
    error: PfnError,
    before: SyncFailure | None,
    now: int,
    blob: Blob | None = None,
) -> SyncFailure:
    """Make the record of a failure that follows ``before``; a listing without a name is the source's own."""
    retries = 0 if before is None else before.retry_count + 1
    return SyncFailure(
        source_id=source_id,
        plugin_id=listing.slug,
        version=listing.version,
        code=error.code.slug,
        details=error.detail,
        first_failed=now,
        last_failed=now,
        retry_count=retries,
        next_retry=plan_retry(error.code, retries, now),
        sha256=blob.sha256 if blob else None,
        statement=listing.statement,
    )


async def _record_conflict(connection: AsyncConnection, source: Source, refusal: Refusal, now: int) -> None:
    """Keep what there is of both sides: of v1, the digests, for its signatures cover no bytes."""
    listing = refusal.listing
    known = await get_release(connection, source.id, listing.slug, listing.version)
    if known is None or refusal.blob is None or listing.signed is not None:
        return
    first, second = (f"SHA-256 {digest}\n".encode() for digest in (known.blob.sha256, refusal.blob.sha256))
    await record_evidence(
        connection,
        source.id,
        refusal.error,
        first,
        second,
        now=now,
        plugin_id=listing.slug,
        version=listing.version,
    )


def _quarantined(source: Source, refusal: Refusal, now: int) -> Quarantined:
    listing, blob, verdict = refusal.listing, refusal.blob, refusal.verdict
    return Quarantined(
        source_id=source.id,
        plugin_id=listing.slug,
        version=listing.version,
        code=refusal.error.code.slug,
        details=refusal.error.detail,
        quarantined_at=now,
        sha256=blob.sha256 if blob else "",
        size=blob.size if blob else 0,
        report=verdict.to_json() if verdict else None,
        statement=listing.signed.envelope if listing.signed else None,
    )


def _refusal_event(source: Source, refusal: Refusal, now: int) -> Activity:
    listing, error = refusal.listing, refusal.error
    held = error.code is Code.UNSIGNED
    sentence = (
        f"{listing.name} {listing.version} of {source.id} was {'held back' if held else 'refused'}: {error.detail}"
    )
    digest = refusal.blob.sha256 if refusal.blob else None
    details = describe("release_held" if held else "release_refused", sentence, code=error.code.slug, sha256=digest)
    return source_event(
        source, now, details, plugin_id=listing.slug, plugin_name=listing.name, new_version=listing.version
    )
