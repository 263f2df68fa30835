"""The signed catalogue of a v2 source: one conditional request tells that nothing changed (protocol.md section 3.4).

What changed is verified under the present keys before anything in it counts. Going back, two of one number, or an
expired one are refused with their names; the one that is known stays in use after its time, marked stale.
"""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import describe, source_event
from pfn.domain.source import Source
from pfn.outbound.signed_documents import Fresh, SignedDocumentClient
from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog, verify_catalog
from pfn.protocol.document import read_document
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.publisher_chain import TrustedPublisher
from pfn.protocol.release_key import release_blocked
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.evidence import record_evidence
from pfn.services.key_document import KeyDocumentService
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.release import get_release, list_yanked, mark_releases, refresh_newest
from pfn.storage.signed_document import StoredCatalog, get_catalog, put_catalog

LONGEST_LIFETIME = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Known:
    """The catalogue in use and the keys it is believed under."""

    catalog: Catalog
    publisher: TrustedPublisher


class CatalogService:
    """Knows what a v2 source lists now."""

    def __init__(
        self, database: Database, documents: SignedDocumentClient, keys: KeyDocumentService, clock: Clock
    ) -> None:
        self._database = database
        self._documents = documents
        self._keys = keys
        self._clock = clock

    async def refresh(self, source: Source) -> Known:
        """Ask for a newer catalogue and give the one in use now.

        Raises SecurityError: what ``verify_catalog`` and ``KeyDocumentService.refresh`` raise; PfnError where the
        publisher cannot be asked.
        """
        async with self._database.read() as connection:
            stored = await get_catalog(connection, source.id)
        fresh = await self._documents.get_catalog(
            source.instance_url,
            etag=stored.etag if stored else None,
            last_modified=stored.last_modified if stored else None,
        )
        if fresh is None or (stored is not None and fresh.body == stored.envelope):
            publisher = await self._keys.restore(source)
            if stored is not None and publisher is not None:
                envelope = parse_envelope(stored.envelope, max_bytes=MAX_CATALOG_BYTES)
                return Known(read_document(Catalog, envelope), publisher)
            raise PfnError(Code.PUBLISHER_DOCUMENT, "The publisher says its catalogue is unchanged, but none is known.")
        return await self._believe(source, stored, fresh)

    async def _believe(self, source: Source, stored: StoredCatalog | None, fresh: Fresh) -> Known:
        publisher = await self._keys.refresh(source)
        if publisher is None:
            raise SecurityError(Code.DOWNGRADE, "There is a signed catalogue but no key document to check it by.")
        now = int(self._clock())
        envelope = parse_envelope(fresh.body, max_bytes=MAX_CATALOG_BYTES)
        if stored is not None and is_blocked(publisher, stored.envelope, stored.received_at):
            # A thief may have counted it up: it is not what the next one is measured by.
            stored = None
        try:
            verdict = verify_catalog(envelope, publisher, known=stored.head if stored else None, now=now)
        except SecurityError as error:
            if error.code is Code.CATALOG_FORK and stored is not None:
                async with self._database.write() as connection:
                    await record_evidence(connection, source.id, error, stored.envelope, fresh.body, now=now)
            raise
        # However long a publisher says it holds, a view that old may hide what came since.
        expires = min(verdict.catalog.expires, verdict.catalog.issued + LONGEST_LIFETIME)
        kept = StoredCatalog(verdict.head, fresh.body, expires, now, fresh.etag, fresh.last_modified)
        async with self._database.write() as connection:
            await hold_custody(connection, source)
            await put_catalog(connection, source.id, kept)
            await _apply_yanks(connection, source, verdict.catalog, now)
        return Known(verdict.catalog, publisher)


def is_blocked(publisher: TrustedPublisher, body: bytes, received_at: int) -> bool:
    """Tell whether what was kept is claimed by a key that has since been revoked for the time it came."""
    if not publisher.document.revoked:
        return False  # nearly always, and then no envelope need be read
    envelope = parse_envelope(body, max_bytes=MAX_CATALOG_BYTES)
    return any(release_blocked(publisher, one.key_id, received_at) for one in envelope.signatures)


async def _apply_yanks(connection: AsyncConnection, source: Source, catalog: Catalog, now: int) -> None:
    """Mark what the catalogue yanks, and take the mark off what it yanks no more."""
    marked = set(await list_yanked(connection, source.id))
    named = {(yank.slug, yank.version): yank for yank in catalog.yanked}
    for (slug, version), yank in named.items():
        if (slug, version) in marked or await get_release(connection, source.id, slug, version) is None:
            continue
        await mark_releases(connection, source.id, slug, version, yanked_at=yank.at, yank_reason=yank.reason)
        await refresh_newest(connection, source.id, slug)
        sentence = f"{source.id} yanked {slug} {version}: {yank.reason}"
        await add_activities(
            connection,
            [source_event(source, now, describe("release_yanked", sentence), plugin_id=slug, new_version=version)],
        )
    for slug, version in marked - named.keys():
        await mark_releases(connection, source.id, slug, version, yanked_at=None, yank_reason=None)
        await refresh_newest(connection, source.id, slug)
        sentence = f"{source.id} no longer yanks {slug} {version}."
        await add_activities(
            connection,
            [source_event(source, now, describe("release_unyanked", sentence), plugin_id=slug, new_version=version)],
        )
