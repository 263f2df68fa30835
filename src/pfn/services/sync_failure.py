"""What went wrong in a sync, written down: the failure with its next try, quarantine, evidence, news for the feed."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.listing import BELIEVED_AFTER_S
from pfn.domain.quarantine import Quarantined, belongs_in_quarantine
from pfn.domain.release import Blob
from pfn.domain.source import Source
from pfn.domain.sync import Listing, SyncFailure, plan_retry
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.services.arrival import Refusal
from pfn.services.evidence import record_evidence
from pfn.services.listing import Taken
from pfn.services.trust import is_failed_proof
from pfn.storage.activity import add_activities
from pfn.storage.quarantine import put_quarantined
from pfn.storage.release import get_release
from pfn.storage.sync import clear_failure, put_failure

_OF_SOURCE = ("", "")
_NO_LISTING = Listing("", "", "", None)


async def record_refusals(
    connection: AsyncConnection,
    source: Source,
    refusals: Sequence[Refusal],
    known: Mapping[tuple[str, str], SyncFailure],
    now: int,
) -> None:
    """Record releases that did not come through; ``known`` are the failures before, by (slug, version)."""
    events: list[Activity] = []
    for refusal in refusals:
        listing, error = refusal.listing, refusal.error
        before = known.get((listing.slug, listing.version))
        failure = _failure(source.id, listing, error, before, now, refusal.blob)
        await put_failure(connection, failure)
        if error.code is Code.RELEASE_CONFLICT and refusal.blob is not None:
            await _record_conflict(connection, source, refusal, now)
        if belongs_in_quarantine(error.code):
            await put_quarantined(connection, _quarantined(source, refusal, now))
        # The feed hears of a failure when it is new, not each time it repeats; of a full shelf it hears once.
        new = before is None or before.code != failure.code or error.code.fault is Fault.SECURITY
        if new and error.code is not Code.QUOTA_EXCEEDED:
            events.append(_refusal_event(source, refusal, now))
    over = [refusal for refusal in refusals if refusal.error.code is Code.QUOTA_EXCEEDED]
    if over and not any(failure.code == Code.QUOTA_EXCEEDED.slug for failure in known.values()):
        sentence = f"{source.id} has filled what it may of this node: {over[0].listing.name} was not taken."
        events.append(source_event(source, now, describe("quota_exceeded", sentence)))
    await add_activities(connection, events)


async def forget_superseded(
    connection: AsyncConnection,
    source: Source,
    listed: Collection[tuple[str, str]],
    failures: Mapping[tuple[str, str], SyncFailure],
) -> None:
    """Forget what failed and is listed no more; a failed proof is remembered, for it weighs on trust."""
    for key, failure in failures.items():
        if key != _OF_SOURCE and key not in listed and not is_failed_proof(failure.code):
            await clear_failure(connection, source.id, failure.plugin_id, failure.version)


async def record_failed_sync(
    connection: AsyncConnection, source: Source, error: PfnError, before: SyncFailure | None, now: int
) -> None:
    """Record that the whole sync came to nothing; ``before`` is the failure that stood. A full disk is the node's."""
    await put_failure(connection, _failure(source.id, _NO_LISTING, error, before, now))
    if error.code is not Code.STORAGE_FULL and (before is None or before.code != error.code.slug):
        details = describe("sync_failed", f"The sync of {source.id} failed: {error.detail}", code=error.code.slug)
        await add_activities(connection, [source_event(source, now, details)])


async def record_whole_sync(
    connection: AsyncConnection, source: Source, taken: Taken, before: SyncFailure | None, now: int
) -> str | None:
    """Forget that the last sync failed, or say that most of the catalogue is missing; give that in a sentence."""
    if taken.shrank_at is None:
        if before is not None:
            await clear_failure(connection, source.id, *_OF_SOURCE)
        return None
    sentence = (
        "Most of the catalogue is missing. Nothing is given up unless it stays like that for seven days; "
        "what is new is taken meanwhile."
    )
    if before is None or before.code != Code.LISTING_SHRANK.slug:
        failure = SyncFailure(
            source_id=source.id,
            plugin_id="",
            version="",
            code=Code.LISTING_SHRANK.slug,
            details=sentence,
            first_failed=taken.shrank_at,
            last_failed=now,
            next_retry=taken.shrank_at + BELIEVED_AFTER_S,
        )
        await put_failure(connection, failure)
    return sentence


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
    next_retry = plan_retry(error.code, retries, now)
    if next_retry is not None and error.retry_after is not None:
        next_retry = max(next_retry, now + error.retry_after)
    return SyncFailure(
        source_id=source_id,
        plugin_id=listing.slug,
        version=listing.version,
        code=error.code.slug,
        details=error.detail,
        first_failed=now,
        last_failed=now,
        retry_count=retries,
        next_retry=next_retry,
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
