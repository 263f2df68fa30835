"""What a v2 publisher says of what it lists: its statements, verified and kept (protocol.md sections 3.2 and 3.4).

A statement is fetched once and kept. Where some were missed, those in between are fetched by their number, so that
nothing is left out unseen. What a key signed that is revoked for that time is no longer the head of anything. A
statement that does not hold spoils its own release alone. Only those that are asked for are looked at: which ones, the
caller knows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from pfn.domain.activity import describe, source_event
from pfn.domain.source import Source
from pfn.domain.sync import Listing, SignedListing
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.catalog import ListedRelease, check_listed
from pfn.protocol.document import Head
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.release_statement import VerifiedStatement, read_statement, verify_statement_chain
from pfn.services.arrival import Refusal
from pfn.services.catalog import Known, is_blocked
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.evidence import record_evidence
from pfn.services.release_log import Entry, log_releases
from pfn.services.signature import check_artifact_text
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.release import get_release, mark_releases, refresh_newest, releases_among
from pfn.storage.signed_document import StoredStatement, add_statements, list_statements

LONGEST_ROW = 500


@dataclass(frozen=True, slots=True)
class _Shelf:
    """What is known of some plugins: their statements by what they are about, and what of them is mirrored."""

    stated: dict[tuple[str, str, str], StoredStatement]
    first: dict[tuple[str, str], StoredStatement]
    newest: dict[str, StoredStatement]
    mirrored: dict[tuple[str, str], str]


class SignedListingService:
    """Reads the statements of v2 sources."""

    def __init__(
        self,
        database: Database,
        documents: SignedDocumentClient,
        clock: Clock,
        *,
        concurrency: int,
    ) -> None:
        self._database = database
        self._documents = documents
        self._clock = clock
        self._concurrency = concurrency

    async def read(self, source: Source, known: Known, entries: Sequence[ListedRelease]) -> list[Listing | Refusal]:
        """Read the statements of some entries of the catalogue, each as a listing with its statement or a refusal.

        What had to be fetched is kept, all in one transaction. Raises PfnError (``wrong_state``) where the source has
        another key meanwhile.
        """
        shelf = await self._load(source, known, entries)
        turns = asyncio.Semaphore(self._concurrency)
        fetched: list[StoredStatement] = []

        async def look(listed: ListedRelease) -> Listing | Refusal:
            async with turns:
                try:
                    listing = await self._read(source, known, listed, shelf, fetched)
                    key = (listed.slug, listed.version)
                    await self._compare(source, listing, shelf.mirrored.get(key), shelf.first.get(key))
                    if key in shelf.mirrored:
                        await self._restate(source, listing)
                except PfnError as error:
                    return Refusal(bare_listing(listed), error)
                return listing

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(look(listed)) for listed in entries]
        if fetched:
            async with self._database.write() as connection:
                await hold_custody(connection, source)
                await add_statements(connection, source.id, fetched)
        return [task.result() for task in tasks]

    async def _load(self, source: Source, known: Known, entries: Sequence[ListedRelease]) -> _Shelf:
        async with self._database.read() as connection:
            kept = await list_statements(connection, source.id, [one.slug for one in entries])
            keys = [(one.slug, one.version) for one in entries]
            mirrored = await releases_among(connection, source.id, keys)
        sound = [one for one in kept if not is_blocked(known.publisher, one.envelope, one.received_at)]
        return _Shelf(
            stated={(one.plugin_id, one.version, one.head.payload_hash): one for one in sound},
            first={(one.plugin_id, one.version): one for one in reversed(sound)},
            newest={one.plugin_id: one for one in sound},
            mirrored=mirrored,
        )

    async def _read(
        self, source: Source, known: Known, listed: ListedRelease, shelf: _Shelf, fetched: list[StoredStatement]
    ) -> Listing:
        stated = shelf.stated.get((listed.slug, listed.version, listed.statement))
        newest = shelf.newest.get(listed.slug)
        if stated is not None:
            row, head = [stated.envelope], None
        else:
            head = _head_to_follow(listed, newest)
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
        if stated is None:
            now = int(self._clock())
            for envelope, body in zip(envelopes, row, strict=True):
                statement = read_statement(envelope)
                place = Head(statement.sequence, envelope.payload_hash)
                fetched.append(StoredStatement(statement.slug, statement.version, place, body, now))
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

    async def _restate(self, source: Source, listing: Listing) -> None:
        """Let a blocked release go when a sound key states the very same bytes anew."""
        async with self._database.read() as connection:
            release = await get_release(connection, source.id, listing.slug, listing.version)
        if listing.signed is None or release is None or release.block_reason is None:
            return
        text = await self._documents.get_artifact_signature(listing.signed.url)
        kept = check_artifact_text(listing.signed, text)
        now = int(self._clock())
        sentence = f"{source.id} stated the same bytes of {listing.slug} {listing.version} anew, with a sound key."
        details = describe("release_restated", sentence)
        event = source_event(source, now, details, plugin_id=listing.slug, new_version=listing.version)
        async with self._database.write() as connection:
            await hold_custody(connection, source)
            await mark_releases(
                connection,
                source.id,
                listing.slug,
                listing.version,
                signature=kept.signature,
                artifact_signature=kept.signature,
                signing_key=kept.public_key,
                statement_sequence=listing.signed.verified.statement.sequence,
                block_reason=None,
            )
            await refresh_newest(connection, source.id, listing.slug)
            # The bytes are logged already, but with a statement that counts no more.
            await log_releases(connection, source.id, [Entry(release, (), listing.statement)], now)
            await add_activities(connection, [event])

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

    async def _record_conflict(
        self, source: Source, slug: str, version: str, error: SecurityError, first: bytes, second: bytes
    ) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            await record_evidence(connection, source.id, error, first, second, now=now, plugin_id=slug, version=version)


def bare_listing(listed: ListedRelease) -> Listing:
    """Give an entry of the catalogue as far as the catalogue itself describes it."""
    return Listing(listed.slug, listed.slug, listed.version, None, statement=listed.statement)


def _head_to_follow(listed: ListedRelease, newest: StoredStatement | None) -> Head | None:
    """Give the statement the listed one must follow: the newest known, unless the catalogue goes back behind it.

    It may: a yank, or a fix for an older branch, makes an earlier statement that of the newest version. The catalogue's
    own number, which only grows, is what keeps anybody from rolling back.
    """
    return None if newest is None or listed.sequence < newest.head.sequence else newest.head


def _listing(verified: VerifiedStatement, envelope: bytes, url: str) -> Listing:
    statement = verified.statement
    return Listing(
        slug=statement.slug,
        name=statement.name,
        version=statement.version,
        description=statement.description or None,
        tags=statement.tags,
        signed=SignedListing(verified, envelope, url),
        statement=verified.payload_hash,
    )
