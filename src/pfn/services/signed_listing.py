"""What a v2 publisher lists now, every entry with its verified statement (protocol.md sections 3.2 and 3.4).

A statement is fetched once and kept. Where some were missed, those in between are fetched by their number, so that
nothing is left out unseen. What a key signed that is revoked for that time is no longer the head of anything. A
statement that does not hold spoils its own release alone.
"""

import asyncio
from collections.abc import Mapping

from pfn.domain.source import AuthorInfo, Source
from pfn.domain.sync import Listing, SignedListing, SyncFailure, waits
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.catalog import ListedRelease, check_listed
from pfn.protocol.document import Head
from pfn.protocol.dsse import Envelope, parse_envelope
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.release_statement import VerifiedStatement, read_statement, verify_statement_chain
from pfn.services.catalog import CatalogService, Known, is_blocked
from pfn.services.clock import Clock
from pfn.services.evidence import record_evidence
from pfn.services.listing import Offer
from pfn.services.mirror import Refusal
from pfn.storage.database import Database
from pfn.storage.signed_document import StoredStatement, add_statement, list_statements
from pfn.storage.source import get_source

LONGEST_ROW = 500


class SignedListingService:
    """Lists v2 sources."""

    def __init__(
        self,
        database: Database,
        documents: SignedDocumentClient,
        catalogs: CatalogService,
        clock: Clock,
        *,
        concurrency: int,
    ) -> None:
        self._database = database
        self._documents = documents
        self._catalogs = catalogs
        self._clock = clock
        self._concurrency = concurrency

    async def offer(
        self,
        source: Source,
        mirrored: Mapping[tuple[str, str], str],
        failures: Mapping[tuple[str, str], SyncFailure],
        *,
        recheck: bool,
    ) -> Offer:
        """Give what is listed; ``mirrored`` and ``failures`` are keyed by (slug, version).

        Raises as ``CatalogService.refresh`` does. A listed release that is mirrored, or waits for its retry, is not
        asked about again, unless for a ``recheck``.
        """
        known = await self._catalogs.refresh(source)
        now = self._clock()
        async with self._database.read() as connection:
            kept = await list_statements(connection, source.id)
        statements = [one for one in kept if not is_blocked(known.publisher, one.envelope, one.received_at)]
        by_release = {(one.plugin_id, one.version): one for one in reversed(statements)}
        newest = {one.plugin_id: one for one in statements}
        turns = asyncio.Semaphore(self._concurrency)

        async def look(listed: ListedRelease) -> Listing | Refusal:
            bare = Listing(listed.slug, listed.slug, listed.version, None)
            key = (listed.slug, listed.version)
            stated = by_release.get(key)
            same = key in mirrored and stated is not None and stated.head.payload_hash == listed.statement
            if not recheck and (same or waits(failures.get(key), now)):
                return bare
            async with turns:
                try:
                    listing = await self._read(source, known, listed, stated, newest.get(listed.slug))
                    await self._compare(source, listing, mirrored.get(key), stated)
                except PfnError as error:
                    return Refusal(bare, error)
                return listing

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look(listed)) for listed in known.catalog.releases]
        outcomes = [task.result() for task in tasks]
        return Offer(
            [outcome for outcome in outcomes if isinstance(outcome, Listing)],
            [outcome for outcome in outcomes if isinstance(outcome, Refusal)],
            len(outcomes),
            AuthorInfo(source.username),
        )

    async def _read(
        self,
        source: Source,
        known: Known,
        listed: ListedRelease,
        stated: StoredStatement | None,
        newest: StoredStatement | None,
    ) -> Listing:
        if stated is not None and stated.head.payload_hash == listed.statement:
            row, head = [stated.envelope], None
        else:
            head = _head_to_follow(known, listed, newest)
            row = await self._fetch_row(source, listed, head)
        envelopes = [parse_envelope(body) for body in row]
        try:
            believed = verify_statement_chain(
                envelopes,
                known.publisher,
                slug=listed.slug,
                known=head,
                now=int(self._clock()),
                endorsed_by=known.catalog,
            )
        except SecurityError as error:
            if error.code is Code.STATEMENT_FORK and newest is not None:
                await self._record_conflict(source, listed.slug, listed.version, error, newest.envelope, row[0])
            raise
        check_listed(known.catalog, slug=listed.slug, version=listed.version, head=believed.newest.head)
        if row[-1] != (stated.envelope if stated else None):
            await self._keep(source, envelopes, row)
        return _listing(believed.newest, row[-1], listed.url)

    async def _compare(
        self, source: Source, listing: Listing, sha256: str | None, stated: StoredStatement | None
    ) -> None:
        """Refuse a second statement that gives a mirrored version other bytes: both are kept as evidence."""
        if listing.signed is None or sha256 is None or listing.signed.verified.statement.sha256 == sha256:
            return
        error = SecurityError(
            Code.RELEASE_CONFLICT,
            f"The publisher signed other bytes (SHA-256 {listing.signed.verified.statement.sha256}) for {listing.slug} "
            f"{listing.version} than it did before ({sha256}). The first bytes stay.",
        )
        if stated is not None:
            envelope = listing.signed.envelope
            await self._record_conflict(source, listing.slug, listing.version, error, stated.envelope, envelope)
        raise error

    async def _fetch_row(self, source: Source, listed: ListedRelease, head: Head | None) -> list[bytes]:
        """Fetch the listed statement and all between the known one and it (docs/decisions/006)."""
        newest = await self._documents.get_statement(source.instance_url, listed.slug, listed.version)
        if head is None:
            return [newest]
        # The number counts that is signed, not the catalogue's: the two are compared later.
        last = read_statement(parse_envelope(newest)).sequence
        row: list[bytes] = []
        for sequence in range(head.sequence + 1, min(last, head.sequence + LONGEST_ROW)):
            body = await self._documents.get_statement_of_sequence(source.instance_url, listed.slug, sequence)
            if body is None:
                raise SecurityError(
                    Code.STATEMENT_GAP,
                    f"Statement {sequence} of {listed.slug} is missing between {head.sequence}, which is known, "
                    f"and {last}, which is listed.",
                )
            row.append(body)
        return [*row, newest]

    async def _keep(self, source: Source, envelopes: list[Envelope], row: list[bytes]) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            for envelope, body in zip(envelopes, row, strict=True):
                statement = read_statement(envelope)
                head = Head(statement.sequence, envelope.payload_hash)
                stored = StoredStatement(statement.slug, statement.version, head, body, now)
                await add_statement(connection, source.id, stored)

    async def _record_conflict(
        self, source: Source, slug: str, version: str, error: SecurityError, first: bytes, second: bytes
    ) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            current = await get_source(connection, source.id, lock=True)
            if current is not None:
                await record_evidence(
                    connection, current, error, first, second, now=now, plugin_id=slug, version=version
                )


def _head_to_follow(known: Known, listed: ListedRelease, stored: StoredStatement | None) -> Head | None:
    """Give the statement the listed one must follow: the newest known, unless that one was yanked since."""
    if stored is None:
        return None
    fell_back = listed.sequence < stored.head.sequence
    if fell_back and known.catalog.find_yank(listed.slug, stored.version) is not None:
        return None
    return stored.head


def _listing(verified: VerifiedStatement, envelope: bytes, url: str) -> Listing:
    statement = verified.statement
    return Listing(
        slug=statement.slug,
        name=statement.name,
        version=statement.version,
        description=statement.description or None,
        tags=statement.tags,
        signed=SignedListing(verified, envelope, url),
    )
