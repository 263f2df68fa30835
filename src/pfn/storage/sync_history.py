"""Syncs and failures of all sources, for who looks after the node: a page of them, newest first."""

from collections.abc import Sequence

from sqlalchemy import and_, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.schedule import Work
from pfn.domain.sync import Sync, SyncFailure, SyncState
from pfn.storage.schema import schedule, sync_failures, syncs
from pfn.storage.sync import read_failure, read_sync


async def list_running(connection: AsyncConnection, now: float) -> Sequence[Sync]:
    """Give the syncs behind which a lease lives, the one that began first first."""
    other = syncs.alias()
    # Of each source that is worked on the newest; the index of a source's syncs ends with it.
    newest = select(func.max(other.c.id)).where(other.c.source_id == schedule.c.subject).scalar_subquery()
    held = and_(schedule.c.kind == Work.SYNC.value, schedule.c.lease_until > now)
    query = (
        select(syncs)
        .select_from(schedule.join(syncs, syncs.c.id == newest))
        .where(held, syncs.c.state == SyncState.RUNNING.value)
        .order_by(syncs.c.id)
    )
    return [read_sync(row) for row in (await connection.execute(query)).mappings()]


async def list_ended(
    connection: AsyncConnection, *, source_id: str | None, before: int | None, limit: int
) -> Sequence[Sync]:
    """Give syncs that ended, newest first: of one source or of all, those before an id where one is given."""
    query = select(syncs).where(syncs.c.state != SyncState.RUNNING.value).order_by(syncs.c.id.desc()).limit(limit)
    if source_id is not None:
        query = query.where(syncs.c.source_id == source_id)
    if before is not None:
        query = query.where(syncs.c.id < before)
    return [read_sync(row) for row in (await connection.execute(query)).mappings()]


async def list_all_failures(
    connection: AsyncConnection, *, source_id: str | None, before: int | None, limit: int
) -> Sequence[tuple[int, SyncFailure]]:
    """Give what failed and is not mended yet, each with its id, what came up last first."""
    table = sync_failures
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    if before is not None:
        query = query.where(table.c.id < before)
    rows = (await connection.execute(query)).mappings()
    return [(row["id"], read_failure(row)) for row in rows]


async def let_try_again(
    connection: AsyncConnection, source_id: str, now: int, *, failure_id: int | None = None
) -> Sequence[SyncFailure]:
    """Have one failure of a source, or all, wait no longer; give those it was done for."""
    table = sync_failures
    which = table.c.source_id == source_id
    if failure_id is not None:
        which = and_(which, table.c.id == failure_id)
    rows = (await connection.execute(update(table).where(which).values(next_retry=now).returning(table))).mappings()
    return [read_failure(row) for row in rows]
