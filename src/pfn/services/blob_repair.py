"""Damaged bytes: say so, serve them to nobody, and fetch whole ones by their digest, which tells them from any others.

That the stored bytes no longer match is the fault of this node's own disk and no evidence against anybody. Whole ones
are looked for where their publishers may have them, then at every peer.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.peer import PeerState
from pfn.domain.release import Blob, Release
from pfn.domain.source import Source
from pfn.outbound.fetch import Download
from pfn.outbound.peer import PeerClient
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog
from pfn.protocol.document import read_document
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.naming_scheme import asset_url
from pfn.services.blob_search import Accuse, BlobSearch
from pfn.services.clock import Clock
from pfn.storage.activity import add_activities
from pfn.storage.blob_store import BlobStore, Temporary, storage_errors
from pfn.storage.database import Database
from pfn.storage.peer import list_peers
from pfn.storage.recheck import mark_corrupt
from pfn.storage.signed_document import get_catalog

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Holder:
    """A source and its releases that have certain bytes."""

    source: Source
    releases: Sequence[Release]


class BlobRepair:
    """Mends blobs. A peer that sends other bytes than it was asked for is told on to ``accuse``."""

    def __init__(
        self,
        database: Database,
        blobs: BlobStore,
        publishers: PublisherClient,
        peers: PeerClient,
        accuse: Accuse,
        clock: Clock,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._publishers = publishers
        self._peers = peers
        self._accuse = accuse
        self._clock = clock

    async def settle(self, blob: Blob, holders: Sequence[Holder], *, intact: bool) -> bool:
        """Deal with bytes that were just looked at, ``intact`` or not; tell whether they are whole now."""
        if not intact:
            # Before anything else: what is damaged must not be served while better bytes are looked for.
            await self._tell(blob, holders, damaged=True)
            if not await self._mend(blob, holders):
                return False
        if blob.corrupt or not intact:
            await self._tell(blob, holders, damaged=False)
        return True

    async def _mend(self, blob: Blob, holders: Sequence[Holder]) -> bool:
        """Fetch a blob again from wherever it may be; tell whether the very bytes came."""
        for holder in holders:
            for release in holder.releases:
                for url in await self._addresses(holder.source, release):
                    if await self._fetch(url, blob):
                        return True
        return await self._ask_peers(blob)

    async def _fetch(self, url: str, blob: Blob) -> bool:
        async def download(target: Temporary) -> Download:
            return await self._publishers.download_zip(url, target.file, max_bytes=blob.size)

        return await self._take(blob, download)

    async def _ask_peers(self, blob: Blob) -> bool:
        async with self._database.read() as connection:
            active = await list_peers(connection, state=PeerState.ACTIVE)
        search = BlobSearch(self._publishers, self._peers, active, self._accuse, first="peers", max_bytes=blob.size)

        async def download(target: Temporary) -> Download:
            return await search.fetch(blob.sha256, None, "", target)

        return bool(active) and await self._take(blob, download)

    async def _take(self, blob: Blob, download: Callable[[Temporary], Awaitable[Download]]) -> bool:
        try:
            temporary = self._blobs.receive()
            try:
                with storage_errors():
                    came = await download(temporary)
                if came.sha256 != blob.sha256:
                    return False
                await self._blobs.restore(temporary, blob)
            finally:
                temporary.discard()
        except PfnError as error:
            log.info("blob_not_restored", sha256=blob.sha256, error=str(error))
            return False
        return True

    async def _addresses(self, source: Source, release: Release) -> list[str]:
        """Give where a release's zip may be: as its catalogue says, and as its naming scheme does."""
        if not source.serves:
            return []
        found = []
        async with self._database.read() as connection:
            stored = await get_catalog(connection, source.id)
        if stored is not None:
            catalog = read_document(Catalog, parse_envelope(stored.envelope, max_bytes=MAX_CATALOG_BYTES))
            listed = catalog.find_release(release.plugin_id)
            if listed is not None and listed.version == release.version:
                found.append(listed.url)
        if source.asset_domain is not None and source.asset_naming_scheme is not None:
            domain, scheme = source.asset_domain, source.asset_naming_scheme
            names = {"author": source.username, "slug": release.plugin_id, "version": release.version}
            found.append(asset_url(domain, scheme, **names))
        return found

    async def _tell(self, blob: Blob, holders: Sequence[Holder], *, damaged: bool) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            if not await mark_corrupt(connection, blob.sha256, now if damaged else None):
                return
            events = [_event(one.source, release, now, damaged=damaged) for one in holders for release in one.releases]
            await add_activities(connection, events)


def _event(source: Source, release: Release, now: int, *, damaged: bool) -> Activity:
    what = f"The stored bytes of {release.plugin_id} {release.version} of {source.id}"
    if damaged:
        sentence = f"{what} are damaged or missing, by a fault of this node. They are not served until they are whole."
        details = describe("bytes_corrupt", sentence, code=Code.BLOB_CORRUPT.slug, sha256=release.blob.sha256)
    else:
        details = describe("bytes_restored", f"{what} are whole again and served.", sha256=release.blob.sha256)
    return source_event(
        source, now, details, plugin_id=release.plugin_id, plugin_name=release.name, new_version=release.version
    )
