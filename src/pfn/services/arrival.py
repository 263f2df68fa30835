"""Releases that passed every check, written down: bytes first, then rows and leaves, a batch in one transaction.

The first bytes of a version stay, whoever sends others later. What a source may fill is counted here, when sizes are
known. A crash leaves at most unreferenced blobs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import NODE, Activity, ActivityType, describe
from pfn.domain.quota import Quota
from pfn.domain.release import Blob, Release
from pfn.domain.source import Source
from pfn.domain.sync import Listing
from pfn.domain.zip_verdict import ZipVerdict
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.quota import quota_warning
from pfn.services.release_log import Entry, log_releases, logged_among
from pfn.services.slug import claim_new_slugs
from pfn.services.sync_progress import SyncProgress
from pfn.storage.activity import add_activities
from pfn.storage.blob_store import BlobStore, Temporary
from pfn.storage.composer import give_vendor
from pfn.storage.database import Database
from pfn.storage.garbage import count_collections, hold_garbage
from pfn.storage.quarantine import clear_quarantined
from pfn.storage.release import (
    add_releases,
    add_version_updates,
    blobs_among,
    mirrored_among,
    newest_versions,
    point_newest,
    releases_among,
)
from pfn.storage.sync import clear_failures
from pfn.tracing import span
from pfn.wordpress.version import is_newer

FIRST_VERSION = "0.0.0"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A release that did not come through, and why; with its bytes, where they were seen, and the verdict on them."""

    listing: Listing
    error: PfnError
    blob: Blob | None = None
    verdict: ZipVerdict | None = None
    temporary: Temporary | None = None


@dataclass(frozen=True, slots=True)
class Arrival:
    """A release that passed every check; its bytes are still in a temporary file, unless they were stored before."""

    temporary: Temporary | None
    release: Release
    verdict: ZipVerdict
    listing: Listing


class ArrivalService:
    """Writes down what arrived."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock

    async def record(
        self, source: Source, arrivals: Sequence[Arrival], quota: Quota, progress: SyncProgress
    ) -> tuple[list[Refusal], Quota]:
        """Store what is new, counted in ``progress``; give what is refused after all, and what the source fills now.

        Raises PfnError: ``storage_full``, ``lease_lost``; ``wrong_state`` where the source has another key meanwhile.
        """
        if not arrivals:
            return [], quota
        keys = [(one.release.plugin_id, one.release.version) for one in arrivals]
        async with self._database.read() as connection:
            present = await releases_among(connection, source.id, keys)
            here = await mirrored_among(connection, source.id, [slug for slug, _ in keys])
            logged = await logged_among(connection, source.id, keys)
            collections = await count_collections(connection)
        refusals: list[Refusal] = []
        fresh: list[Arrival] = []
        before = quota
        for arrival in arrivals:
            release = arrival.release
            key = (release.plugin_id, release.version)
            known = present.get(key, logged.get(key, release.blob.sha256))
            if known != release.blob.sha256:
                refusals.append(_conflict(arrival, known))
                continue
            if key in present:
                continue
            new, size = release.plugin_id not in here, release.blob.size
            error = quota.refuse(new_plugin=new, size=size)
            if error is not None:
                refusals.append(Refusal(arrival.listing, error))
                continue
            quota = quota.add(new_plugin=new, size=size)
            fresh.append(arrival)
        # Bytes first, then rows: a row without its blob cannot happen.
        with span("keep", {"pfn.releases": len(fresh)}):
            await self._blobs.keep([(one.temporary, one.release.blob) for one in fresh if one.temporary is not None])
        near = quota.is_near() and not before.is_near()
        events = [quota_warning(source, quota, int(self._clock()))] if near else []
        with span("record", {"pfn.releases": len(fresh)}):
            async with self._database.write() as connection:
                lost = await self._find_lost(connection, fresh, collections)
                refusals += [_lose(one) for one in fresh if one.release.blob.sha256 in lost]
                await hold_custody(connection, source)
                # Another process may have been faster since; the first to commit wins, whatever its bytes.
                late = await releases_among(connection, source.id, keys)
                new_ones = [
                    one
                    for one in fresh
                    if (one.release.plugin_id, one.release.version) not in late and one.release.blob.sha256 not in lost
                ]
                progress.mirrored += len(new_ones)
                await progress.write(connection)
                await _insert(connection, source, new_ones, events, int(self._clock()))
        return refusals, quota

    async def _find_lost(self, connection: AsyncConnection, fresh: Sequence[Arrival], collections: int) -> set[str]:
        """Give the digests of bytes that were collected as garbage since they were found or kept; now they stay."""
        found = {one.release.blob.sha256 for one in fresh if one.temporary is None}
        again = await hold_garbage(connection)
        lost = found - await blobs_among(connection, found) if found else set()
        if again != collections:
            for blob in {one.release.blob for one in fresh}:
                try:
                    await self._blobs.require(blob)
                except PfnError:
                    lost.add(blob.sha256)
        return lost


async def _insert(
    connection: AsyncConnection, source: Source, fresh: Sequence[Arrival], more: Sequence[Activity], now: int
) -> None:
    """Write the rows of a batch, in as many statements for many releases as for one."""
    if not fresh:
        await add_activities(connection, more)
        return
    keys = [(one.release.plugin_id, one.release.version) for one in fresh]
    newest = await newest_versions(connection, source.id, [slug for slug, _ in keys])
    unlisted = [slug for slug, _ in keys if slug not in newest]
    events = [*more, *await claim_new_slugs(connection, source, unlisted, now)]
    await give_vendor(connection, source.id)
    await add_releases(connection, [(one.release, one.verdict) for one in fresh])
    await clear_failures(connection, source.id, keys)
    await clear_quarantined(connection, source.id, keys)
    moves: list[tuple[Release, str]] = []
    shown: dict[str, Release] = {}
    for release in (one.release for one in fresh):
        old = newest.get(release.plugin_id, FIRST_VERSION)
        if release.offered and (old == FIRST_VERSION or is_newer(release.version, old)):
            moves.append((release, old))
            newest[release.plugin_id] = release.version
            shown[release.plugin_id] = release
    await point_newest(connection, *shown.values())
    await add_version_updates(connection, moves)
    entries = [
        Entry(one.release, one.verdict.manifest, one.listing.statement if one.listing.signed else None) for one in fresh
    ]
    await log_releases(connection, source.id, entries, now)
    await add_activities(connection, [*events, *(_version_event(source, release, old) for release, old in moves)])


def _lose(arrival: Arrival) -> Refusal:
    error = PfnError(Code.BLOB_MISSING, "Its bytes were collected as garbage while it came in; it is tried again.")
    return Refusal(arrival.listing, error)


def _conflict(arrival: Arrival, known: str) -> Refusal:
    blob = arrival.release.blob
    error = SecurityError(
        Code.RELEASE_CONFLICT,
        f"The publisher now sends other bytes (SHA-256 {blob.sha256}) for this version than it did before ({known}). "
        "The first bytes stay.",
    )
    return Refusal(arrival.listing, error, blob, arrival.verdict, arrival.temporary)


def _version_event(source: Source, release: Release, old_version: str) -> Activity:
    first = old_version == FIRST_VERSION
    sentence = (
        f"{release.name} {release.version} was mirrored for the first time."
        if first
        else f"{release.name} went from {old_version} to {release.version}."
    )
    return Activity(
        type=ActivityType.VERSION_UPDATE,
        timestamp=release.mirror_date,
        actor=NODE,
        source_id=source.id,
        source_username=source.username,
        plugin_id=release.plugin_id,
        plugin_name=release.name,
        old_version=old_version,
        new_version=release.version,
        details=describe(
            "plugin_added" if first else "plugin_updated",
            sentence,
            sha256=release.blob.sha256,
            signature_level=release.level.value,
        ),
    )
