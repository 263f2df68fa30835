"""What a v2 publisher lists now, every entry with its verified statement (protocol.md sections 3.2 and 3.4).

A statement is fetched once and kept. Where versions were skipped, the row is walked back by the signed name of the
version before, so that nothing is left out unseen. A statement that does not hold spoils its own release alone.
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
from pfn.services.catalog import CatalogService, Known
from pfn.services.clock import Clock
from pfn.services.evidence import record_evidence
from pfn.services.listing import Offer
from pfn.services.mirror import Refusal
from pfn.storage.database import Database
from pfn.storage.signed_document import StoredStatement, add_statement, newest_statements
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
            statements = await newest_statements(connection, source.id)
        turns = asyncio.Semaphore(self._concurrency)

        async def look(listed: ListedRelease) -> Listing | Refusal:
            bare = Listing(listed.slug, listed.slug, listed.version, None)
            key = (listed.slug, listed.version)
            if not recheck and (key in mirrored or waits(failures.get(key), now)):
                return bare
            async with turns:
                try:
                    return await self._read(source, known, listed, statements.get(listed.slug))
                except PfnError as error:
                    return Refusal(bare, error)

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
        self, source: Source, known: Known, listed: ListedRelease, stored: StoredStatement | None
    ) -> Listing:
        if stored is not None and stored.head.payload_hash == listed.statement:
            row = [stored.envelope]
            head = None
        else:
            head = _head_to_follow(known, listed, stored)
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
            if error.code is Code.STATEMENT_FORK and stored is not None:
                await self._record_fork(source, listed, error, stored.envelope, row[0])
            raise
        newest = believed.newest
        check_listed(known.catalog, slug=listed.slug, version=listed.version, head=newest.head)
        if head is not None or stored is None:
            await self._keep(source, envelopes, row)
        return _listing(newest, row[-1], listed.url)

    async def _fetch_row(self, source: Source, listed: ListedRelease, head: Head | None) -> list[bytes]:
        """Fetch the listed statement and, back to the known one, all before it."""
        row = [await self._documents.get_statement(source.instance_url, listed.slug, listed.version)]
        statement = read_statement(parse_envelope(row[0]))
        while head is not None and statement.sequence > head.sequence + 1:
            if statement.previous_version is None or len(row) == LONGEST_ROW:
                raise SecurityError(
                    Code.STATEMENT_GAP,
                    f"Statement {statement.sequence} of {listed.slug} does not lead back to {head.sequence}, "
                    "which is known.",
                )
            row.insert(
                0, await self._documents.get_statement(source.instance_url, listed.slug, statement.previous_version)
            )
            before = read_statement(parse_envelope(row[0]))
            if before.sequence >= statement.sequence:
                raise SecurityError(Code.STATEMENT_CHAIN, f"The statements of {listed.slug} lead in a circle.")
            statement = before
        return row

    async def _keep(self, source: Source, envelopes: list[Envelope], row: list[bytes]) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            for envelope, body in zip(envelopes, row, strict=True):
                statement = read_statement(envelope)
                head = Head(statement.sequence, envelope.payload_hash)
                stored = StoredStatement(statement.slug, statement.version, head, body, now)
                await add_statement(connection, source.id, stored)

    async def _record_fork(
        self, source: Source, listed: ListedRelease, error: SecurityError, first: bytes, second: bytes
    ) -> None:
        async with self._database.write() as connection:
            current = await get_source(connection, source.id, lock=True)
            if current is not None:
                await record_evidence(
                    connection,
                    current,
                    error,
                    first,
                    second,
                    now=int(self._clock()),
                    plugin_id=listed.slug,
                    version=listed.version,
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
