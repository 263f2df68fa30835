"""Rows of ``syncs`` (one per run, its progress visible while it runs) and ``sync_failures``."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.sync import Sync, SyncFailure, SyncState
from pfn.storage.dialect import insert_or
from pfn.storage.schema import sync_failures, syncs


def _read(row: RowMapping) -> Sync:
    return Sync(**{**row, "state": SyncState(row["state"])})


async def add_sync(connection: AsyncConnection, source_id: str, now: int) -> Sync:
    """Record that a sync begins."""
    made = await connection.execute(
        insert(syncs).values(source_id=source_id, state=SyncState.RUNNING.value, started_at=now).returning(syncs.c.id)
    )
    return Sync(id=made.scalar_one(), source_id=source_id, state=SyncState.RUNNING, started_at=now)


async def change_sync(connection: AsyncConnection, sync_id: int, **values: object) -> None:
    """Set columns of one sync."""
    await connection.execute(update(syncs).where(syncs.c.id == sync_id).values(values))


async def get_sync(connection: AsyncConnection, sync_id: int) -> Sync | None:
    """Find one sync."""
    row = (await connection.execute(select(syncs).where(syncs.c.id == sync_id))).mappings().first()
    return None if row is None else _read(row)


async def list_syncs(connection: AsyncConnection, source_id: str, *, limit: int) -> Sequence[Sync]:
    """Give a source's syncs, newest first."""
    query = select(syncs).where(syncs.c.source_id == source_id).order_by(syncs.c.id.desc()).limit(limit)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def interrupt_syncs(connection: AsyncConnection, now: int) -> int:
    """Mark what a killed process left running; what those syncs stored is whole and stays."""
    query = (
        update(syncs)
        .where(syncs.c.state == SyncState.RUNNING.value)
        .values(
            state=SyncState.INTERRUPTED.value,
            finished_at=now,
            detail="The node stopped while this sync ran. What it had stored is kept; the next sync goes on.",
        )
    )
    return (await connection.execute(query)).rowcount


async def put_failure(connection: AsyncConnection, failure: SyncFailure) -> None:
    """Record a failure, in place of an earlier one of the same release."""
    values = {column.name: getattr(failure, column.name) for column in sync_failures.columns if column.name != "id"}
    key = ("source_id", "plugin_id", "version")
    kept = {*key, "first_failed"}
    await connection.execute(
        insert_or(connection, sync_failures)
        .values(values)
        .on_conflict_do_update(index_elements=key, set_={k: v for k, v in values.items() if k not in kept})
    )


async def clear_failure(connection: AsyncConnection, source_id: str, plugin_id: str, version: str) -> None:
    """Forget the failure of a release that came through after all."""
    table = sync_failures
    await connection.execute(
        delete(table).where(table.c.source_id == source_id, table.c.plugin_id == plugin_id, table.c.version == version)
    )


async def list_failures(
    connection: AsyncConnection, source_id: str, *, limit: int | None = None
) -> Sequence[SyncFailure]:
    """Give what of a source failed and is not yet mended, latest first."""
    table = sync_failures
    query = select(table).where(table.c.source_id == source_id).order_by(table.c.last_failed.desc(), table.c.id.desc())
    if limit is not None:
        query = query.limit(limit)
    rows = (await connection.execute(query)).mappings()
    return [SyncFailure(**{k: v for k, v in row.items() if k != "id"}) for row in rows]
