"""Evidence without its sides, which may be megabytes long: what contradicts what, found when, who is gated by it."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import String, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.source import SourceStatus
from pfn.storage.schema import evidence, log_evidence, peers, sources


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two things of one source that cannot both be honest; ``digest`` names the pair, ``id`` counts them."""

    id: int
    source_id: str
    kind: str
    details: str
    plugin_id: str
    version: str
    digest: str
    found_at: int


@dataclass(frozen=True, slots=True)
class LogConflict:
    """Two things a log cannot both have meant; ``peer_id`` is None where it is of no peer, such as this node's own."""

    origin: str
    kind: str
    details: str
    digest: str
    found_at: int
    peer_id: int | None


@dataclass(frozen=True, slots=True)
class Gated:
    """A source that waits for the operator's decision, and how many conflicts there are of it."""

    source_id: str
    gates: tuple[str, ...]
    trust_score: float
    conflicts: int


async def list_conflicts(
    connection: AsyncConnection, *, limit: int, source_id: str | None = None, before: int | None = None
) -> Sequence[Conflict]:
    """Give conflicts of all sources or of one, newest first, those older than the cursor ``before`` if given."""
    table = evidence
    names = (
        *(table.c.id, table.c.source_id, table.c.kind, table.c.details),
        *(table.c.plugin_id, table.c.version, table.c.digest, table.c.found_at),
    )
    query = select(*names).order_by(table.c.id.desc()).limit(limit)
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    if before is not None:
        query = query.where(table.c.id < before)
    return [Conflict(**row) for row in (await connection.execute(query)).mappings()]


async def list_log_conflicts(connection: AsyncConnection, *, limit: int) -> Sequence[LogConflict]:
    """Give what logs contradicted themselves in, newest first."""
    table = log_evidence
    query = (
        select(
            table.c.origin, table.c.kind, table.c.details, table.c.digest, table.c.found_at, peers.c.id.label("peer_id")
        )
        .outerjoin(peers, peers.c.origin == table.c.origin)
        .order_by(table.c.id.desc())
        .limit(limit)
    )
    return [LogConflict(**row) for row in (await connection.execute(query)).mappings()]


async def list_gated(connection: AsyncConnection) -> Sequence[Gated]:
    """Give the sources that are gated until somebody decides, by name."""
    number = select(func.count()).select_from(evidence).where(evidence.c.source_id == sources.c.id).scalar_subquery()
    query = (
        select(sources.c.id, sources.c.gates, sources.c.trust_score, number)
        .where(cast(sources.c.gates, String) != "[]", sources.c.status != SourceStatus.REMOVED)
        .order_by(sources.c.id)
    )
    return [Gated(row[0], tuple(row[1]), row[2], row[3]) for row in await connection.execute(query)]
