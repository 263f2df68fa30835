"""Mirror releases: fetch, judge, keep, record. Nothing unverified becomes a row.

Each zip goes through the same gate: its signature first, for that costs no download; then the bytes, hashed on their
way into a temporary file; then the rules for plugin zips, in another process. Bytes that a statement names by digest
and that are stored already are not fetched again. What passed is written down a batch at a time
(``pfn.services.arrival``). A crash leaves at most temporary files.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
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
from pfn.storage.blob_store import BlobStore, Temporary, storage_errors
from pfn.storage.database import Database
from pfn.storage.release import find_blobs, mirrored_among, releases_among
from pfn.storage.zip_verdict import find_verdicts
from pfn.tracing import span
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


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A release whose bytes are here: in a temporary file, or stored before and judged, which the ``verdict`` says."""

    listing: Listing
    signature: KeptSignature | None
    blob: Blob
    temporary: Temporary | None = None
    verdict: ZipVerdict | None = None
    yank: Yank | None = None


_Stored: TypeAlias = Mapping[str, tuple[Blob, ZipVerdict]]
_Fetch: TypeAlias = Callable[[Listing, list[Temporary]], Awaitable[_Fetched]]


class MirrorService:
    """Takes releases in."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
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
        fetched though they are stored. Raises PfnError: ``storage_full``, ``storage_unavailable``, ``lease_lost``,
        ``log_halted``; the batch is then not recorded at all.
        """
        stored = {} if recheck else await self._find_stored(listings)

        async def fetch(listing: Listing, temporaries: list[Temporary]) -> _Fetched:
            return await self._fetch(source, listing, stored, temporaries, allow_unsigned=allow_unsigned)

        return await self._take_in(source, listings, quota, progress, fetch, set_apart=True)

    async def take(self, source: Source, offers: Sequence[Offer], quota: Quota, progress: SyncProgress) -> Mirrored:
        """Take in a batch of releases that peers offer, through the same gate.

        What is refused is not set apart: nothing says that those bytes are the publisher's. Raises as ``mirror``.
        """
        by_listing = {id(offer.listing): offer for offer in offers}
        listings = [offer.listing for offer in offers]
        stored = await self._find_stored(listings)

        async def fetch(listing: Listing, temporaries: list[Temporary]) -> _Fetched:
            return await self._fetch_offer(by_listing[id(listing)], stored, temporaries)

        return await self._take_in(source, listings, quota, progress, fetch, set_apart=False)

    async def _take_in(
        self,
        source: Source,
        listings: Sequence[Listing],
        quota: Quota,
        progress: SyncProgress,
        fetch: _Fetch,
        *,
        set_apart: bool,
    ) -> Mirrored:
        await require_log(self._database)
        listings, refusals = await self._admit(source, listings, quota)
        progress.refuse(len(refusals))
        turns = asyncio.Semaphore(self._concurrency)
        temporaries: list[Temporary] = []

        async def receive(listing: Listing) -> Arrival | Refusal:
            try:
                with span("release", {"pfn.slug": listing.slug, "pfn.version": listing.version}):
                    # Who waits for its judges leaves its turn to the next.
                    async with turns:
                        fetched = await fetch(listing, temporaries)
                    outcome = await self._judge(source, fetched)
            except PfnError as error:
                if error.code in {Code.STORAGE_FULL, Code.STORAGE_UNAVAILABLE}:
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

    async def _fetch(
        self,
        source: Source,
        listing: Listing,
        stored: _Stored,
        temporaries: list[Temporary],
        *,
        allow_unsigned: bool,
    ) -> _Fetched:
        _check_names(listing)
        signature: KeptSignature | None
        if listing.signed is not None:
            url, signature = listing.signed.url, await self._fetch_artifact_signature(listing.signed)
            here = await self._look_up(listing.signed, stored)
            if here is not None:
                return _Fetched(listing, signature, here[0], verdict=here[1])
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
        return _Fetched(listing, signature, _describe(download), temporary)

    async def _fetch_offer(self, offer: Offer, stored: _Stored, temporaries: list[Temporary]) -> _Fetched:
        listing, signed = offer.listing, offer.listing.signed
        _check_names(listing)
        here = None if signed is None else await self._look_up(signed, stored)
        if here is not None:
            return _Fetched(listing, offer.signature, here[0], verdict=here[1], yank=offer.yank)
        temporary = self._blobs.receive()
        temporaries.append(temporary)
        with storage_errors():
            download = await offer.fetch(temporary)
            temporary.file.flush()
        return _Fetched(listing, offer.signature, _describe(download), temporary, yank=offer.yank)

    async def _find_stored(self, listings: Sequence[Listing]) -> _Stored:
        """Give the bytes that statements name, as far as rows tell that they are here, judged under today's rules."""
        named = [one.signed.verified.statement.sha256 for one in listings if one.signed is not None]
        if not named:
            return {}
        async with self._database.read() as connection:
            blobs = await find_blobs(connection, named)
            verdicts = await find_verdicts(connection, blobs) if blobs else {}
        return {sha256: (blobs[sha256], verdict) for sha256, verdict in verdicts.items()}

    async def _look_up(self, signed: SignedListing, stored: _Stored) -> tuple[Blob, ZipVerdict] | None:
        here = stored.get(signed.verified.statement.sha256)
        if here is None:
            return None
        try:
            await self._blobs.require(here[0])
        except PfnError as error:
            if error.code is Code.STORAGE_UNAVAILABLE:
                raise
            return None
        return here

    async def _judge(self, source: Source, fetched: _Fetched) -> Arrival | Refusal:
        listing, blob, temporary, verdict = fetched.listing, fetched.blob, fetched.temporary, fetched.verdict
        if verdict is None:
            assert temporary is not None  # what was not judged before was fetched now
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
            level=_level(listing, fetched.signature),
            signature=fetched.signature,
            tags=listing.tags,
            author=verdict.header.get("author") or source.username,
            facts=verdict.facts,
            statement_sequence=listing.signed.verified.statement.sequence if listing.signed else None,
            yanked_at=fetched.yank.at if fetched.yank else None,
            yank_reason=fetched.yank.reason if fetched.yank else None,
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


def _describe(download: Download) -> Blob:
    return Blob(download.sha256, download.sha1, download.sha384, download.size)


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
