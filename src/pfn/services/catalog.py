"""The signed catalogue of a v2 source: one conditional request tells that nothing changed (protocol.md section 3.4).

What changed is verified under the present keys before anything in it counts. Going back, two of one number, or an
expired one are refused with their names; the one that is known stays in use after its time, marked stale.
"""

import asyncio
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import describe, source_event
from pfn.domain.source import Source
from pfn.outbound.conditional import UNKNOWN, Validators
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.catalog import MAX_CATALOG_BYTES, Catalog, CatalogVerdict, verify_catalog
from pfn.protocol.document import Head, read_document
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.entry import AnyLeaf
from pfn.protocol.publisher_chain import TrustedPublisher
from pfn.protocol.release_key import release_blocked
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.evidence import record_evidence
from pfn.services.key_document import KeyDocumentService
from pfn.services.leaf import append_unless_halted, catalog_leaf, yank_leaf
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.listing import look_again
from pfn.storage.release import list_yanked, mark_releases, refresh_newest, releases_among
from pfn.storage.signed_document import StoredCatalog, get_catalog, get_catalog_validators, put_catalog

LONGEST_LIFETIME = 90 * 86_400


@dataclass(frozen=True, slots=True)
class Known:
    """The catalogue in use and the keys it is believed under."""

    catalog: Catalog
    publisher: TrustedPublisher


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking brought: the newer catalogue, None where there is none; and for how long the publisher says so."""

    known: Known | None
    max_age: int | None


class CatalogService:
    """Knows what a v2 source lists now."""

    def __init__(
        self, database: Database, documents: SignedDocumentClient, keys: KeyDocumentService, clock: Clock
    ) -> None:
        self._database = database
        self._documents = documents
        self._keys = keys
        self._clock = clock

    async def ask(self, source: Source) -> Asked:
        """Ask for a newer catalogue, believe it and keep it.

        Raises SecurityError: what ``verify_catalog`` and ``KeyDocumentService.refresh`` raise; PfnError where the
        publisher cannot be asked.
        """
        async with self._database.read() as connection:
            validators = await get_catalog_validators(connection, source.id)
        fresh = await self._documents.ask_catalog(
            source.instance_url, Validators(*validators) if validators else UNKNOWN
        )
        if fresh.body is None:
            return Asked(None, fresh.max_age)
        async with self._database.read() as connection:
            stored = await get_catalog(connection, source.id)
        if stored is not None and fresh.body == stored.envelope:
            return Asked(None, fresh.max_age)
        return Asked(await self._believe(source, stored, fresh.body, fresh.validators), fresh.max_age)

    async def learn(self, source: Source, publisher: TrustedPublisher, body: bytes) -> None:
        """Believe a catalogue that somebody else kept, as if the publisher had shown it now; an older one is no news.

        Raises SecurityError: what ``verify_catalog`` raises; PfnError (``publisher_document``).
        """
        async with self._database.read() as connection:
            stored = await get_catalog(connection, source.id)
        if stored is not None and stored.envelope == body:
            return
        try:
            await self._keep(source, stored, body, UNKNOWN, publisher)
        except SecurityError as error:
            if error.code is not Code.CATALOG_ROLLBACK:
                raise

    async def restore(self, source: Source) -> Known:
        """Give the catalogue in use without asking anybody. Raises PfnError (``publisher_document``) without one."""
        async with self._database.read() as connection:
            stored = await get_catalog(connection, source.id)
        publisher = await self._keys.restore(source)
        if stored is None or publisher is None:
            raise PfnError(Code.PUBLISHER_DOCUMENT, "The publisher says its catalogue is unchanged, but none is known.")
        return Known(await asyncio.to_thread(_read, stored.envelope), publisher)

    async def _believe(
        self, source: Source, stored: StoredCatalog | None, body: bytes, validators: Validators
    ) -> Known:
        publisher = await self._keys.refresh(source)
        if publisher is None:
            raise SecurityError(Code.DOWNGRADE, "There is a signed catalogue but no key document to check it by.")
        return await self._keep(source, stored, body, validators, publisher)

    async def _keep(
        self,
        source: Source,
        stored: StoredCatalog | None,
        body: bytes,
        validators: Validators,
        publisher: TrustedPublisher,
    ) -> Known:
        now = int(self._clock())
        if stored is not None and is_blocked(publisher, stored.envelope, stored.received_at):
            # A thief may have counted it up: it is not what the next one is measured by.
            stored = None
        try:
            verdict = await asyncio.to_thread(_verify, body, publisher, stored.head if stored else None, now)
        except SecurityError as error:
            if error.code is Code.CATALOG_FORK and stored is not None:
                async with self._database.write() as connection:
                    await record_evidence(connection, source.id, error, stored.envelope, body, now=now)
            raise
        # However long a publisher says it holds, a view that old may hide what came since.
        expires = min(verdict.catalog.expires, verdict.catalog.issued + LONGEST_LIFETIME)
        kept = StoredCatalog(verdict.head, body, expires, now, validators.etag, validators.last_modified)
        async with self._database.write() as connection:
            await hold_custody(connection, source)
            await put_catalog(connection, source.id, kept)
            # Until it was gone through; asked again, the publisher will say that it is unchanged.
            await look_again(connection, source.id)
            await _apply_yanks(connection, source, verdict, now, is_new=stored is None or stored.head != verdict.head)
        return Known(verdict.catalog, publisher)


def _verify(body: bytes, publisher: TrustedPublisher, known: Head | None, now: int) -> CatalogVerdict:
    return verify_catalog(parse_envelope(body, max_bytes=MAX_CATALOG_BYTES), publisher, known=known, now=now)


def _read(body: bytes) -> Catalog:
    return read_document(Catalog, parse_envelope(body, max_bytes=MAX_CATALOG_BYTES))


def is_blocked(publisher: TrustedPublisher, body: bytes, received_at: int) -> bool:
    """Tell whether what was kept is claimed by a key that has since been revoked for the time it came."""
    if not publisher.document.revoked:
        return False  # nearly always, and then no envelope need be read
    envelope = parse_envelope(body, max_bytes=MAX_CATALOG_BYTES)
    return any(release_blocked(publisher, one.key_id, received_at) for one in envelope.signatures)


async def _apply_yanks(
    connection: AsyncConnection, source: Source, verdict: CatalogVerdict, now: int, *, is_new: bool
) -> None:
    """Mark what the catalogue yanks, take the mark off what it yanks no more, and log the catalogue with its yanks."""
    catalog, head = verdict.catalog, verdict.head
    leaves: list[AnyLeaf] = [catalog_leaf(source.id, head, now)] if is_new else []
    events = []
    marked = set(await list_yanked(connection, source.id))
    named = {(yank.slug, yank.version): yank for yank in catalog.yanked}
    mirrored = await releases_among(connection, source.id, list(named.keys() - marked))
    for (slug, version), yank in named.items():
        if (slug, version) not in mirrored:
            continue
        await mark_releases(connection, source.id, slug, version, yanked_at=yank.at, yank_reason=yank.reason)
        await refresh_newest(connection, source.id, slug)
        sentence = f"{source.id} yanked {slug} {version}: {yank.reason}"
        details = describe("release_yanked", sentence)
        events.append(source_event(source, now, details, plugin_id=slug, new_version=version))
        leaves.append(yank_leaf(source.id, slug, version, head.payload_hash, now))
    for slug, version in marked - named.keys():
        await mark_releases(connection, source.id, slug, version, yanked_at=None, yank_reason=None)
        await refresh_newest(connection, source.id, slug)
        sentence = f"{source.id} no longer yanks {slug} {version}."
        details = describe("release_unyanked", sentence)
        events.append(source_event(source, now, details, plugin_id=slug, new_version=version))
    await append_unless_halted(connection, leaves, now)
    await add_activities(connection, events)
