"""Counts for whoever watches a node: each one query that an index answers, or a look at a small table.

The sizes of stored bytes alone need a walk over ``blobs``; whoever asks keeps that for a while.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Integer, Table, and_, case, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.schedule import Work
from pfn.domain.source import SourceStatus
from pfn.domain.sync import SyncState
from pfn.domain.trust import DAY
from pfn.storage.schema import (
    blobs,
    deliveries,
    health,
    mirrored_plugins,
    plugins,
    schedule,
    sources,
    sync_failures,
    syncs,
    webhooks,
)


@dataclass(frozen=True, slots=True)
class SourceMeasure:
    """How a source fares. ``health`` is None before the first probe, ``last_state`` of its syncs before the first."""

    id: str
    status: SourceStatus
    health: str | None
    trust_score: float
    created_at: int
    last_sync: int | None
    last_state: SyncState | None


@dataclass(frozen=True, slots=True)
class WorkMeasure:
    """How one kind of work stands: due and not begun, since when (Unix seconds), under way, left by the dead."""

    due: int
    oldest_due_at: int | None
    leased: int
    abandoned: int


@dataclass(frozen=True, slots=True)
class BlobMeasure:
    """What is stored: how many zips, their bytes, and how many are known to be damaged."""

    count: int
    size: int
    corrupt: int


async def measure_sources(connection: AsyncConnection) -> Sequence[SourceMeasure]:
    """Give every source that is not removed, by id."""
    newest = (
        select(syncs.c.state)
        .where(syncs.c.source_id == sources.c.id)
        .order_by(syncs.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    query = (
        select(
            sources.c.id,
            sources.c.status,
            health.c.state,
            sources.c.trust_score,
            sources.c.created_at,
            sources.c.last_sync,
            newest,
        )
        .outerjoin(health, health.c.source_id == sources.c.id)
        .where(sources.c.status != SourceStatus.REMOVED.value)
        .order_by(sources.c.id)
    )
    return [
        SourceMeasure(row[0], SourceStatus(row[1]), *row[2:6], None if row[6] is None else SyncState(row[6]))
        for row in await connection.execute(query)
    ]


async def measure_work(connection: AsyncConnection, now: float) -> Mapping[Work, WorkMeasure]:
    """Tell how every kind of work stands that is scheduled at all."""
    leased = and_(schedule.c.owner.is_not(None), schedule.c.lease_until > now)
    abandoned = and_(schedule.c.owner.is_not(None), schedule.c.lease_until <= now)
    due = and_(schedule.c.due_at <= now, schedule.c.owner.is_(None))
    query = select(
        schedule.c.kind,
        func.count(case((due, 1))),
        func.min(case((due, schedule.c.due_at))),
        func.count(case((leased, 1))),
        func.count(case((abandoned, 1))),
    ).group_by(schedule.c.kind)
    return {Work(row[0]): WorkMeasure(*row[1:]) for row in await connection.execute(query)}


async def count_failures(connection: AsyncConnection) -> Mapping[str, int]:
    """Count what does not come through at present, by error code."""
    return await _count_by(connection, sync_failures, "code")


async def count_deliveries(connection: AsyncConnection) -> Mapping[str, int]:
    """Count the deliveries to webhooks that are kept, by state."""
    return await _count_by(connection, deliveries, "state")


async def count_webhooks(connection: AsyncConnection) -> Mapping[str, int]:
    """Count the webhooks, by state."""
    return await _count_by(connection, webhooks, "state")


async def _count_by(connection: AsyncConnection, table: Table, name: str) -> Mapping[str, int]:
    column = table.c[name]
    query = select(column, func.count()).group_by(column).order_by(column)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def count_all_plugins(connection: AsyncConnection) -> int:
    """Count the plugins that are mirrored."""
    return (await connection.execute(select(func.count()).select_from(plugins))).scalar_one()


async def count_all_releases(connection: AsyncConnection) -> int:
    """Count the releases that are mirrored."""
    return (await connection.execute(select(func.count()).select_from(mirrored_plugins))).scalar_one()


async def measure_blobs(connection: AsyncConnection) -> BlobMeasure:
    """Measure what is stored."""
    query = select(func.count(), func.coalesce(func.sum(blobs.c.size), 0), func.count(blobs.c.corrupt_at))
    query = query.where(blobs.c.gone_at.is_(None))
    row = (await connection.execute(query)).one()
    return BlobMeasure(row[0], int(row[1]), row[2])


async def count_mirrored(connection: AsyncConnection, since_day: int) -> Mapping[int, int]:
    """Count the releases mirrored on each day from one on, by the day since the Unix epoch (UTC)."""
    day = _day(mirrored_plugins, "mirror_date")
    query = select(day, func.count()).where(mirrored_plugins.c.mirror_date >= since_day * DAY).group_by(day)
    return {int(row[0]): row[1] for row in await connection.execute(query)}


async def measure_stored(connection: AsyncConnection, since_day: int) -> Mapping[int, int]:
    """Sum up the bytes, of what is stored now, that came on each day from one on."""
    day = _day(blobs, "stored_at")
    query = select(day, func.sum(blobs.c.size)).where(blobs.c.stored_at >= since_day * DAY, blobs.c.gone_at.is_(None))
    query = query.group_by(day)
    return {int(row[0]): int(row[1]) for row in await connection.execute(query)}


def _day(table: Table, column: str) -> ColumnElement[int]:
    # A literal, for PostgreSQL takes two parameters for two different days in SELECT and GROUP BY.
    return table.c[column] // literal_column(str(DAY), Integer)
