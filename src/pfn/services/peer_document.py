"""What a peer keeps of a source's signed documents: fetched, verified as if the publisher had sent it, and kept.

It is how key changes, revocations, yanks and catalogues arrive while the publisher is away. Nothing a peer shows can
take back what is known: an older document is no news, and another one of the same number is evidence.
"""

from pfn.domain.peer import Peer
from pfn.domain.source import Source
from pfn.outbound.peer import PeerClient
from pfn.protocol.errors import Code, PfnError
from pfn.services.catalog import CatalogService
from pfn.services.clock import Clock
from pfn.services.key_document import KeyDocumentService
from pfn.services.peer_offer import Standing
from pfn.storage.database import Database
from pfn.storage.peer import hasten_wants
from pfn.storage.signed_document import catalog_sequence, newest_key_version


class PeerDocuments:
    """Learns of sources from peers."""

    def __init__(
        self,
        database: Database,
        client: PeerClient,
        keys: KeyDocumentService,
        catalogs: CatalogService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._client = client
        self._keys = keys
        self._catalogs = catalogs
        self._clock = clock

    async def learn(self, peer: Peer, source: Source) -> bool:
        """Take over what a peer knows of a source that is newer than what is known here; tell whether anything was.

        What is wanted of the source is tried again then: its keys may be others. Raises PfnError:
        ``peer_unreachable``, ``peer_answer``; what ``KeyDocumentService.learn`` and ``CatalogService.learn`` raise.
        """
        before = await self._heads(source)
        documents = await self._client.get_key_documents(peer.url, source.id)
        publisher = await self._keys.learn(source, documents) if documents else await self._keys.restore(source)
        body = None if publisher is None else await self._client.get_catalog(peer.url, source.id)
        if publisher is not None and body is not None:
            await self._catalogs.learn(source, publisher, body)
        if await self._heads(source) == before:
            return False
        async with self._database.write() as connection:
            await hasten_wants(connection, int(self._clock()), source_id=source.id)
        return True

    async def standing(self, source: Source) -> Standing:
        """Give what is known of a source's keys and catalogue, without asking anybody."""
        publisher = await self._keys.restore(source)
        try:
            known = await self._catalogs.restore(source)
        except PfnError as error:
            if error.code is not Code.PUBLISHER_DOCUMENT:
                raise
            return Standing(source, publisher, None)
        return Standing(source, publisher, known.catalog)

    async def _heads(self, source: Source) -> tuple[int, int]:
        async with self._database.read() as connection:
            return await newest_key_version(connection, source.id), await catalog_sequence(connection, source.id)
