"""The log brought up to what is there: at the first start with a log, and when a halted log is resumed.

Releases of before get their leaves in batches; of each source the log is told what it does not say yet: its key and
standing, its key documents, its catalogue and yanks, the evidence against it. Doing it again changes nothing.
"""

import hashlib
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import Release
from pfn.domain.source import Source, SourceStatus
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code
from pfn.protocol.log.entry import (
    AnyLeaf,
    CatalogLeaf,
    EvidenceLeaf,
    PublisherLeaf,
    SourceLeaf,
    YankLeaf,
    parse_leaf,
)
from pfn.protocol.publisher_chain import restore_trust
from pfn.protocol.release_statement import read_statement
from pfn.services.clock import Clock
from pfn.services.leaf import append, catalog_leaf, evidence_leaf, publisher_leaf, source_leaf, yank_leaf
from pfn.services.release_log import Entry, log_releases
from pfn.storage.database import Database
from pfn.storage.log import find_leaves, list_sources_to_log, read_halt
from pfn.storage.release import list_unlogged, list_yanked
from pfn.storage.signed_document import get_catalog, get_statement, list_evidence, list_key_documents
from pfn.storage.source import get_source

log = structlog.get_logger()

_BATCH = 500

_Leaf = TypeVar("_Leaf", SourceLeaf, PublisherLeaf, CatalogLeaf, YankLeaf, EvidenceLeaf)


async def backfill(database: Database, clock: Clock, *, all_sources: bool = False) -> int:
    """Log what is missing, of sources that were never logged or of all; tell how many releases that were.

    A halted log is left as it is.
    """
    async with database.read() as connection:
        if await read_halt(connection) is not None:
            return 0
        sources = await list_sources_to_log(connection, unlogged=not all_sources)
        if not sources and not await list_unlogged(connection, limit=1):
            return 0
    for source_id in sources:
        async with database.write() as connection:
            await _log_source(connection, source_id, int(clock()))
    count = 0
    while True:
        async with database.write() as connection:
            found = await list_unlogged(connection, limit=_BATCH)
            for source_id in sorted({release.source_id for release, _ in found}):
                entries = [
                    Entry(release, manifest, await _find_statement(connection, release))
                    for release, manifest in found
                    if release.source_id == source_id
                ]
                await log_releases(connection, source_id, entries, int(clock()))
        if not found:
            return count
        count += len(found)
        log.info("releases_logged", count=count)


async def _log_source(connection: AsyncConnection, source_id: str, now: int) -> None:
    source = await get_source(connection, source_id, lock=True)
    if source is None:
        return
    leaves = [
        *_list_standing(source, await _read(connection, SourceLeaf, source_id), now),
        *await _list_key_documents(connection, source_id, now),
        *await _list_catalog(connection, source_id, now),
        *await _list_evidence(connection, source_id, now),
    ]
    if leaves:
        await append(connection, leaves, now)


def _list_standing(source: Source, said: list[SourceLeaf], now: int) -> list[AnyLeaf]:
    state = said[-1].state if said else None
    leaves: list[AnyLeaf] = []
    if state is None or (state == "removed" and source.status is not SourceStatus.REMOVED):
        leaves.append(source_leaf(source, "registered", now))
    if source.status is SourceStatus.REMOVED and state != "removed":
        leaves.append(source_leaf(source, "removed", now))
    if source.status is SourceStatus.SUSPENDED and state != "suspended":
        leaves.append(source_leaf(source, "suspended", now))
    if source.serves and state == "suspended":
        leaves.append(source_leaf(source, "resumed", now))
    return leaves


async def _list_key_documents(connection: AsyncConnection, source_id: str, now: int) -> list[AnyLeaf]:
    said = {leaf.document for leaf in await _read(connection, PublisherLeaf, source_id)}
    envelopes = [parse_envelope(body) for body in await list_key_documents(connection, source_id)]
    return [
        publisher_leaf(source_id, restore_trust(one).document.version, one.payload_hash, now)
        for one in envelopes
        if one.payload_hash not in said
    ]


async def _list_catalog(connection: AsyncConnection, source_id: str, now: int) -> list[AnyLeaf]:
    catalog = await get_catalog(connection, source_id)
    if catalog is None:
        return []
    head = catalog.head
    said = {leaf.catalog for leaf in await _read(connection, CatalogLeaf, source_id)}
    yanked = {(leaf.slug, leaf.version) for leaf in await _read(connection, YankLeaf, source_id)}
    missing = [key for key in await list_yanked(connection, source_id) if key not in yanked]
    return [
        *([] if head.payload_hash in said else [catalog_leaf(source_id, head, now)]),
        *(yank_leaf(source_id, slug, version, head.payload_hash, now) for slug, version in missing),
    ]


async def _list_evidence(connection: AsyncConnection, source_id: str, now: int) -> list[AnyLeaf]:
    said = {(leaf.first, leaf.second) for leaf in await _read(connection, EvidenceLeaf, source_id)}
    return [
        evidence_leaf(one.kind, source_id, one.first, one.second, now, slug=one.plugin_id, version=one.version)
        for one in reversed(await list_evidence(connection, source_id))
        # Other bytes at a peer prove nothing against the publisher.
        if one.kind != Code.FIRST_SEEN_CONFLICT.slug
        and (hashlib.sha256(one.first).hexdigest(), hashlib.sha256(one.second).hexdigest()) not in said
    ]


async def _read(connection: AsyncConnection, model: type[_Leaf], source_id: str) -> list[_Leaf]:
    leaves = [parse_leaf(kept.leaf) for kept in await find_leaves(connection, model.kind, source_id)]
    return [leaf for leaf in leaves if isinstance(leaf, model)]


async def _find_statement(connection: AsyncConnection, release: Release) -> str | None:
    """Find the statement that covers a release; a later holder of the source numbers its own from 1 again."""
    if release.statement_sequence is None:
        return None
    stored = await get_statement(connection, release.source_id, release.plugin_id, release.statement_sequence)
    if stored is None:
        return None
    statement = read_statement(parse_envelope(stored.envelope))
    same = (statement.version, statement.sha256) == (release.version, release.blob.sha256)
    return stored.head.payload_hash if same else None
