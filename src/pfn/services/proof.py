"""Proofs: everything that vouches for one release, put together to be checked offline (protocol.md section 4).

All entries are proven under one checkpoint, the best witnessed one that holds them all. What a piece is worth is for
whoever verifies the bundle to find out; a release of a v1 source has no statement, and its bundle none either.
"""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import Release
from pfn.domain.source import Source
from pfn.domain.trust import Gate
from pfn.protocol.catalog import MAX_CATALOG_BYTES
from pfn.protocol.dsse import Envelope, parse_envelope
from pfn.protocol.ed25519 import parse_signature
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.bundle import MAX_NOTICES, Bundle, LoggedEntry, SignedMessage
from pfn.protocol.log.checkpoint import parse_checkpoint
from pfn.protocol.log.entry import CatalogLeaf, CustodyLeaf, EvidenceLeaf, ReleaseLeaf, YankLeaf, parse_leaf
from pfn.protocol.log.note import Note
from pfn.protocol.log.proof import TlogProof
from pfn.services.clock import Clock
from pfn.services.log import LogService
from pfn.services.release import ReleaseService
from pfn.services.statement import StatementService
from pfn.storage.database import Database
from pfn.storage.log import KeptLeaf, find_leaves, list_leaves, newest_leaf
from pfn.storage.signed_document import get_catalog


class ProofService:
    """Proves releases."""

    def __init__(
        self,
        database: Database,
        own: LogService,
        releases: ReleaseService,
        statements: StatementService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._log = own
        self._releases = releases
        self._statements = statements
        self._clock = clock

    async def prove(self, source_id: str, plugin_id: str, version: str | None = None, *, lean: bool = False) -> Bundle:
        """Give the bundle of a release, the newest where no version is named.

        ``lean`` leaves out what is the same for all releases of a source, for who has it: key documents and catalogue.

        Raises PfnError as ``ReleaseService.find`` does; ``proof_incomplete`` where its leaf is still to come.
        """
        source, release = await self._releases.find(source_id, plugin_id, version)
        if release.log_index is None:
            raise PfnError(Code.PROOF_INCOMPLETE, f"{plugin_id} {release.version} is not in this node's log yet.")
        async with self._database.read() as connection:
            (leaf,) = await list_leaves(connection, release.log_index, release.log_index + 1)
            catalog, catalog_leaf = (None, None) if lean else await _find_catalog(connection, source_id)
            notices = await self._list_notices(connection, source, release)
        kept = [KeptLeaf(release.log_index, leaf), *([catalog_leaf] if catalog_leaf else []), *notices]
        note = await self._log.best_checkpoint(max(one.index for one in kept))
        entries = [await self._prove(one, note) for one in kept]
        chain = [] if lean else await self._statements.key_documents(source_id)
        return Bundle(
            sha256=release.blob.sha256,
            publisher=tuple(map(parse_envelope, chain)),
            statement=await self._find_statement(release, leaf),
            catalog=catalog,
            signature=_show_signature(release),
            release_entry=entries[0],
            catalog_entry=entries[1] if catalog_leaf else None,
            notices=tuple(entries[2 if catalog_leaf else 1 :]),
        )

    async def _prove(self, kept: KeptLeaf, note: Note) -> LoggedEntry:
        hashes = await self._log.prove_inclusion(kept.index, parse_checkpoint(note.text).size)
        return LoggedEntry(kept.leaf, TlogProof(kept.index, hashes, note))

    async def _find_statement(self, release: Release, leaf: bytes) -> Envelope | None:
        """Find the statement the leaf names: a later holder's may stand in its place now."""
        logged = parse_leaf(leaf)
        try:
            envelope = parse_envelope(await self._statements.get(release))
        except PfnError as error:
            if error.code is not Code.STATEMENT_UNKNOWN:
                raise
            return None
        return envelope if isinstance(logged, ReleaseLeaf) and logged.statement == envelope.payload_hash else None

    async def _list_notices(self, connection: AsyncConnection, source: Source, release: Release) -> Sequence[KeptLeaf]:
        """Give what the log says against the source or the release and what holds still, newest first."""
        found: list[KeptLeaf] = []
        if Gate.EQUIVOCATION.value in source.gates:
            found += await find_leaves(connection, EvidenceLeaf.kind, source.id)
        if release.yanked_at is not None:
            for kept in await find_leaves(connection, YankLeaf.kind, source.id, [release.plugin_id]):
                leaf = parse_leaf(kept.leaf)
                if isinstance(leaf, YankLeaf) and leaf.version == release.version:
                    found.append(kept)
        custody = await newest_leaf(connection, CustodyLeaf.kind, source.id)
        if custody is not None:
            leaf = parse_leaf(custody.leaf)
            if isinstance(leaf, CustodyLeaf) and leaf.until > self._clock():
                found.append(custody)
        return sorted(found, key=lambda kept: -kept.index)[:MAX_NOTICES]


def _show_signature(release: Release) -> SignedMessage | None:
    raw = None if release.signature is None else parse_signature(release.signature.signature)
    return None if raw is None or release.signature is None else SignedMessage(release.signature.message, raw)


async def _find_catalog(connection: AsyncConnection, source_id: str) -> tuple[Envelope | None, KeptLeaf | None]:
    """Find a source's newest catalogue and the leaf that says it was believed."""
    stored = await get_catalog(connection, source_id)
    kept = await newest_leaf(connection, CatalogLeaf.kind, source_id)
    if stored is None:
        return None, None
    envelope = parse_envelope(stored.envelope, max_bytes=MAX_CATALOG_BYTES)
    leaf = None if kept is None else parse_leaf(kept.leaf)
    same = isinstance(leaf, CatalogLeaf) and leaf.catalog == envelope.payload_hash
    return envelope, kept if same else None
