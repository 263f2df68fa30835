"""Mirror releases: fetch, judge, keep, record. Nothing unverified becomes a row.

Each zip goes through the same gate: its signature first, for that costs no download; then the bytes, hashed on their
way into a temporary file; then the rules for plugin zips, in another process. What passed is made durable and then
recorded, a batch at a time: one flush, one transaction. A crash leaves at most temporary files and unreferenced blobs.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.quarantine import belongs_in_quarantine
from pfn.domain.release import Blob, KeptSignature, Release, SignatureLevel
from pfn.domain.source import Source
from pfn.domain.sync import Listing, SignedListing
from pfn.domain.zip_verdict import ZipVerdict, check_claim
from pfn.outbound.publisher import PublisherClient
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.naming_scheme import asset_url
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.signature import check_artifact_text, check_signed, find_signature
from pfn.services.zip_check import ZipCheck
from pfn.storage.activity import add_activities
from pfn.storage.blob_store import FileBlobStore, Temporary, storage_errors
from pfn.storage.database import Database
from pfn.storage.quarantine import clear_quarantined
from pfn.storage.release import add_release, add_version_update, newest_versions, point_newest, releases_among
from pfn.storage.sync import clear_failure
from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_newer, is_version

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
class _Arrival:
    """A release that passed every check; its bytes are still in a temporary file."""

    temporary: Temporary
    release: Release
    verdict: ZipVerdict
    listing: Listing


class MirrorService:
    """Takes releases in."""

    def __init__(
        self,
        database: Database,
        blobs: FileBlobStore,
        publishers: PublisherClient,
        documents: SignedDocumentClient,
        zips: ZipCheck,
        clock: Clock,
        *,
        max_zip_bytes: int,
        concurrency: int,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._publishers = publishers
        self._documents = documents
        self._zips = zips
        self._clock = clock
        self._max_zip_bytes = max_zip_bytes
        self._concurrency = concurrency

    async def mirror(
        self, source: Source, listings: Sequence[Listing], *, allow_unsigned: bool
    ) -> tuple[int, list[Refusal]]:
        """Take in a batch of listed releases: how many are new, and the ones refused.

        A release already here with the same bytes counts as neither. Raises PfnError (``storage_full``): the batch
        is then not recorded at all.
        """
        turns = asyncio.Semaphore(self._concurrency)
        temporaries: list[Temporary] = []

        async def receive(listing: Listing) -> _Arrival | Refusal:
            async with turns:
                try:
                    return await self._receive(source, listing, temporaries, allow_unsigned=allow_unsigned)
                except PfnError as error:
                    if error.code is Code.STORAGE_FULL:
                        raise
                    return Refusal(listing, error)

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(receive(listing)) for listing in listings]
            outcomes = [task.result() for task in tasks]
            refusals = [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
            arrivals = [outcome for outcome in outcomes if isinstance(outcome, _Arrival)]
            fresh, conflicts = await self._record(source, arrivals)
            refusals += conflicts
            await self._set_apart(refusals)
        except* PfnError as errors:
            raise errors.exceptions[0] from None
        finally:
            for temporary in temporaries:
                temporary.discard()
        return fresh, refusals

    async def _receive(
        self, source: Source, listing: Listing, temporaries: list[Temporary], *, allow_unsigned: bool
    ) -> _Arrival | Refusal:
        _check_names(listing)
        signature: KeptSignature | None
        if listing.signed is not None:
            url, signature = listing.signed.url, await self._fetch_artifact_signature(listing.signed)
        else:
            signature = await self._find_metadata_signature(source, listing, allow_unsigned=allow_unsigned)
            url = asset_url(
                source.asset_domain or "",
                source.asset_naming_scheme or "",
                author=source.username,
                slug=listing.slug,
                version=listing.version,
            )
        temporary = self._blobs.receive()
        temporaries.append(temporary)
        with storage_errors():
            download = await self._publishers.download_zip(url, temporary.file, max_bytes=self._max_zip_bytes)
            temporary.file.flush()
        blob = Blob(download.sha256, download.sha1, download.sha384, download.size)
        verdict = await self._zips.judge(temporary.path, blob.sha256)
        try:
            if listing.signed is not None:
                check_signed(listing.signed, blob, verdict)
            check_claim(verdict, listing.slug, listing.version)
        except PfnError as error:
            return Refusal(listing, error, blob, verdict, temporary)
        release = Release(
            plugin_id=listing.slug,
            source_id=source.id,
            name=listing.name,
            version=listing.version,
            description=listing.description,
            mirror_date=int(self._clock()),
            blob=blob,
            level=_level(listing, signature),
            signature=signature,
            tags=listing.tags,
            author=verdict.header.get("author") or source.username,
            facts=verdict.facts,
            statement_sequence=listing.signed.verified.statement.sequence if listing.signed else None,
        )
        return _Arrival(temporary, release, verdict, listing)

    async def _find_metadata_signature(
        self, source: Source, listing: Listing, *, allow_unsigned: bool
    ) -> KeptSignature | None:
        signature = await find_signature(self._publishers, source, listing)
        if signature is None and not allow_unsigned:
            raise PfnError(
                Code.UNSIGNED,
                "The release carries no signature, and unsigned plugins of this source are held back. "
                f"To accept them: pfn source allow-unsigned {source.id}",
            )
        return signature

    async def _fetch_artifact_signature(self, signed: SignedListing) -> KeptSignature:
        text = await self._documents.get_artifact_signature(signed.url)
        return check_artifact_text(signed, text)

    async def _set_apart(self, refusals: Sequence[Refusal]) -> None:
        for refusal in refusals:
            if refusal.temporary and refusal.blob and belongs_in_quarantine(refusal.error.code):
                await self._blobs.quarantine(refusal.temporary, refusal.blob.sha256)

    async def _record(self, source: Source, arrivals: Sequence[_Arrival]) -> tuple[int, list[Refusal]]:
        if not arrivals:
            return 0, []
        conflicts: list[Refusal] = []
        fresh: list[_Arrival] = []
        keys = [(one.release.plugin_id, one.release.version) for one in arrivals]
        async with self._database.read() as connection:
            present = await releases_among(connection, source.id, keys)
        for arrival in arrivals:
            known = present.get((arrival.release.plugin_id, arrival.release.version))
            if known is None:
                fresh.append(arrival)
            elif known != arrival.release.blob.sha256:
                conflicts.append(_conflict(arrival, known))
        # Bytes first, then rows: a row without its blob cannot happen.
        await self._blobs.keep([(arrival.temporary, arrival.release.blob) for arrival in fresh])
        async with self._database.write() as connection:
            await hold_custody(connection, source)
            # Another process may have been faster since; the first to commit wins, whatever its bytes.
            late = await releases_among(connection, source.id, keys)
            new = [one for one in fresh if (one.release.plugin_id, one.release.version) not in late]
            await self._insert(connection, source, new)
        return len(new), conflicts

    async def _insert(self, connection: AsyncConnection, source: Source, fresh: Sequence[_Arrival]) -> None:
        newest = await newest_versions(connection, source.id, [one.release.plugin_id for one in fresh])
        events = []
        for arrival in fresh:
            release = arrival.release
            await add_release(connection, release, arrival.verdict)
            await clear_failure(connection, source.id, release.plugin_id, release.version)
            await clear_quarantined(connection, source.id, release.plugin_id, release.version)
            old = newest.get(release.plugin_id, FIRST_VERSION)
            if old == FIRST_VERSION or is_newer(release.version, old):
                await point_newest(connection, release)
                await add_version_update(connection, release, old)
                newest[release.plugin_id] = release.version
                events.append(_version_event(source, release, old))
        await add_activities(connection, events)


def _check_names(listing: Listing) -> None:
    if not is_slug(listing.slug):
        raise PfnError(
            Code.PUBLISHER_DOCUMENT,
            f"The slug {listing.slug[:80]!r} is not one: lower-case letters, digits and hyphens, at most 63.",
        )
    if not is_version(listing.version):
        raise PfnError(Code.PUBLISHER_DOCUMENT, f"The version {listing.version[:80]!r} cannot be used.")


def _level(listing: Listing, signature: KeptSignature | None) -> SignatureLevel:
    if listing.signed is not None:
        return SignatureLevel.ARTIFACT
    return SignatureLevel.NONE if signature is None else SignatureLevel.METADATA


def _conflict(arrival: _Arrival, known: str) -> Refusal:
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
        actor="node",
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
