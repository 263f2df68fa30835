"""Mirror releases: fetch, judge, keep, record. Nothing unverified becomes a row.

Each zip goes through the same gate: its signature first, for that costs no download; then the bytes, hashed on their
way into a temporary file; then the rules for plugin zips, in another process. Bytes that a statement names by digest
and that are stored already are not fetched again. What passed is written down a batch at a time
(``pfn.services.arrival``). A crash leaves at most temporary files.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from pfn.domain.quarantine import belongs_in_quarantine
from pfn.domain.quota import Quota
from pfn.domain.release import Blob, KeptSignature, Release, SignatureLevel
from pfn.domain.source import Source
from pfn.domain.sync import Listing, SignedListing
from pfn.domain.zip_verdict import ZipVerdict, check_claim
from pfn.outbound.fetch import Download
from pfn.outbound.publisher import PublisherClient
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.catalog import Yank
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.naming_scheme import asset_url
from pfn.services.arrival import Arrival, ArrivalService, Refusal
from pfn.services.clock import Clock
from pfn.services.release_log import require_log
from pfn.services.signature import check_artifact_text, check_signed, find_signature
from pfn.services.sync_progress import SyncProgress
from pfn.services.zip_check import ZipCheck
from pfn.storage.blob_store import FileBlobStore, Temporary, storage_errors
from pfn.storage.database import Database
from pfn.storage.release import blobs_among, find_blob, mirrored_among, releases_among
from pfn.storage.zip_verdict import find_verdict
from pfn.wordpress.slug import is_slug
from pfn.wordpress.version import is_version


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What became of a batch: the releases refused, and what the source fills now."""

    refusals: list[Refusal]
    quota: Quota


@dataclass(frozen=True, slots=True)
class Offer:
    """A release whose publisher's signatures hold already; ``fetch`` writes the very bytes they are about, or raises.

    ``yank`` is the publisher's word that it should not be installed any more, where there is one.
    """

    listing: Listing
    signature: KeptSignature | None
    fetch: Callable[[Temporary], Awaitable[Download]]
    yank: Yank | None = None


_Receive: TypeAlias = Callable[[Listing, list[Temporary]], Awaitable[Arrival | Refusal]]


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
        self._arrivals = ArrivalService(database, blobs, clock)
        self._clock = clock
        self._max_zip_bytes = max_zip_bytes
        self._concurrency = concurrency

    async def mirror(
        self,
        source: Source,
        listings: Sequence[Listing],
        quota: Quota,
        progress: SyncProgress,
        *,
        allow_unsigned: bool,
        recheck: bool = False,
    ) -> Mirrored:
        """Take in a batch of listed releases; what is new is counted in ``progress``, in the same transaction.

        A release already here with the same bytes counts as neither new nor refused. With ``recheck`` the bytes are
        fetched though they are stored. Raises PfnError: ``storage_full``, ``lease_lost``, ``log_halted``; the batch is
        then not recorded at all.
        """

        async def receive(listing: Listing, temporaries: list[Temporary]) -> Arrival | Refusal:
            return await self._receive(source, listing, temporaries, allow_unsigned=allow_unsigned, recheck=recheck)

        return await self._take_in(source, listings, quota, progress, receive, set_apart=True)

    async def take(self, source: Source, offers: Sequence[Offer], quota: Quota, progress: SyncProgress) -> Mirrored:
        """Take in a batch of releases that peers offer, through the same gate.

        What is refused is not set apart: nothing says that those bytes are the publisher's. Raises as ``mirror``.
        """
        by_listing = {id(offer.listing): offer for offer in offers}
        named = [one.listing.signed.verified.statement.sha256 for one in offers if one.listing.signed is not None]
        async with self._database.read() as connection:
            here = await blobs_among(connection, named)

        async def receive(listing: Listing, temporaries: list[Temporary]) -> Arrival | Refusal:
            return await self._receive_offer(source, by_listing[id(listing)], here, temporaries)

        listings = [offer.listing for offer in offers]
        return await self._take_in(source, listings, quota, progress, receive, set_apart=False)

    async def _take_in(
        self,
        source: Source,
        listings: Sequence[Listing],
        quota: Quota,
        progress: SyncProgress,
        get: _Receive,
        *,
        set_apart: bool,
    ) -> Mirrored:
        await require_log(self._database)
        listings, refusals = await self._admit(source, listings, quota)
        progress.refuse(len(refusals))
        turns = asyncio.Semaphore(self._concurrency)
        temporaries: list[Temporary] = []

        async def receive(listing: Listing) -> Arrival | Refusal:
            async with turns:
                try:
                    outcome = await get(listing, temporaries)
                except PfnError as error:
                    if error.code is Code.STORAGE_FULL:
                        raise
                    outcome = Refusal(listing, error)
            progress.judge(refused=isinstance(outcome, Refusal))
            return outcome

        try:
            async with asyncio.TaskGroup() as group:
                ended = asyncio.Event()
                group.create_task(progress.show(ended))
                outcomes = await asyncio.gather(*(group.create_task(receive(listing)) for listing in listings))
                ended.set()
            refusals += [outcome for outcome in outcomes if isinstance(outcome, Refusal)]
            arrivals = [outcome for outcome in outcomes if isinstance(outcome, Arrival)]
            late, quota = await self._arrivals.record(source, arrivals, quota, progress)
            progress.failed += len(late)
            refusals += late
            if set_apart:
                await self._set_apart(refusals)
        except* PfnError as errors:
            raise errors.exceptions[0] from None
        finally:
            for temporary in temporaries:
                temporary.discard()
        return Mirrored(refusals, quota)

    async def _admit(
        self, source: Source, listings: Sequence[Listing], quota: Quota
    ) -> tuple[list[Listing], list[Refusal]]:
        """Part what has room from what has none, as far as that is known before the bytes are."""
        keys = [(listing.slug, listing.version) for listing in listings]
        async with self._database.read() as connection:
            here = await mirrored_among(connection, source.id, [slug for slug, _ in keys])
            known = await releases_among(connection, source.id, keys)
        admitted: list[Listing] = []
        refusals: list[Refusal] = []
        for listing in listings:
            if (listing.slug, listing.version) in known:
                admitted.append(listing)
                continue
            new, size = listing.slug not in here, listing.signed.verified.statement.length if listing.signed else 1
            error = quota.refuse(new_plugin=new, size=size)
            if error is not None:
                refusals.append(Refusal(listing, error))
                continue
            quota = quota.add(new_plugin=new, size=size)
            admitted.append(listing)
        return admitted, refusals

    async def _receive(
        self, source: Source, listing: Listing, temporaries: list[Temporary], *, allow_unsigned: bool, recheck: bool
    ) -> Arrival | Refusal:
        _check_names(listing)
        signature: KeptSignature | None
        if listing.signed is not None:
            url, signature = listing.signed.url, await self._fetch_artifact_signature(listing.signed)
            stored = None if recheck else await self._find_stored(listing.signed)
            if stored is not None:
                return self._judge(source, listing, signature, *stored, None)
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
        return self._judge(source, listing, signature, blob, verdict, temporary)

    async def _receive_offer(
        self, source: Source, offer: Offer, here: Collection[str], temporaries: list[Temporary]
    ) -> Arrival | Refusal:
        listing, signed = offer.listing, offer.listing.signed
        _check_names(listing)
        known = signed is not None and signed.verified.statement.sha256 in here
        stored = await self._find_stored(signed) if signed is not None and known else None
        if stored is not None:
            return _withdraw(self._judge(source, listing, offer.signature, *stored, None), offer.yank)
        temporary = self._blobs.receive()
        temporaries.append(temporary)
        with storage_errors():
            download = await offer.fetch(temporary)
            temporary.file.flush()
        blob = Blob(download.sha256, download.sha1, download.sha384, download.size)
        verdict = await self._zips.judge(temporary.path, blob.sha256)
        return _withdraw(self._judge(source, listing, offer.signature, blob, verdict, temporary), offer.yank)

    async def _find_stored(self, signed: SignedListing) -> tuple[Blob, ZipVerdict] | None:
        """Give the very bytes a statement names, where they are here and were judged under today's rules."""
        async with self._database.read() as connection:
            blob = await find_blob(connection, signed.verified.statement.sha256)
            verdict = None if blob is None else await find_verdict(connection, blob.sha256)
        if blob is None or verdict is None:
            return None
        try:
            self._blobs.open(blob)
        except PfnError:
            return None
        return blob, verdict

    def _judge(
        self,
        source: Source,
        listing: Listing,
        signature: KeptSignature | None,
        blob: Blob,
        verdict: ZipVerdict,
        temporary: Temporary | None,
    ) -> Arrival | Refusal:
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
        return Arrival(temporary, release, verdict, listing)

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


def _withdraw(outcome: Arrival | Refusal, yank: Yank | None) -> Arrival | Refusal:
    if yank is None or isinstance(outcome, Refusal):
        return outcome
    return replace(outcome, release=replace(outcome.release, yanked_at=yank.at, yank_reason=yank.reason))


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
