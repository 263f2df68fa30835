"""Rows of ``syncs`` (one per run, its progress visible while it runs) and ``sync_failures``."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, bindparam, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.schedule import Work
from pfn.domain.sync import Sync, SyncFailure, SyncState
from pfn.storage.dialect import insert_or, is_pair_of
from pfn.storage.schema import schedule, sync_failures, syncs

_STOPPED = "Its worker stopped while this sync ran. What it had stored is kept; the next sync goes on."
_RUNNING = (
    select(syncs)
    .where(syncs.c.source_id == bindparam("of"), syncs.c.state == SyncState.RUNNING.value)
    .order_by(syncs.c.id.desc())
    .limit(1)
)


def read_sync(row: RowMapping) -> Sync:
    """Make a sync of its row."""
    return Sync(**{**row, "state": SyncState(row["state"])})


def read_failure(row: RowMapping) -> SyncFailure:
    """Make a failure of its row."""
    return SyncFailure(**{name: value for name, value in row.items() if name != "id"})


async def add_sync(connection: AsyncConnection, source_id: str, now: int) -> Sync:
    """Record that a sync begins."""
    made = await connection.execute(
        insert(syncs).values(source_id=source_id, state=SyncState.RUNNING.value, started_at=now).returning(syncs.c.id)
    )
    return Sync(id=made.scalar_one(), source_id=source_id, state=SyncState.RUNNING, started_at=now)


async def change_running(connection: AsyncConnection, sync_id: int, **values: object) -> bool:
    """Set columns of a sync that runs; tell whether it still does, for another worker may have closed it."""
    query = update(syncs).where(syncs.c.id == sync_id, syncs.c.state == SyncState.RUNNING.value).values(values)
    return bool((await connection.execute(query)).rowcount)


async def get_sync(connection: AsyncConnection, sync_id: int) -> Sync | None:
    """Find one sync."""
    row = (await connection.execute(select(syncs).where(syncs.c.id == sync_id))).mappings().first()
    return None if row is None else read_sync(row)


async def list_syncs(connection: AsyncConnection, source_id: str, *, limit: int) -> Sequence[Sync]:
    """Give a source's syncs, newest first."""
    query = select(syncs).where(syncs.c.source_id == source_id).order_by(syncs.c.id.desc()).limit(limit)
    return [read_sync(row) for row in (await connection.execute(query)).mappings()]


async def find_running(connection: AsyncConnection, source_id: str) -> Sync | None:
    """Find the newest sync of a source that says it runs."""
    row = (await connection.execute(_RUNNING, {"of": source_id})).mappings().first()
    return None if row is None else read_sync(row)


async def interrupt_syncs(connection: AsyncConnection, source_id: str, now: int) -> int:
    """Mark what says it runs of a source, for who holds its lease; what those syncs stored is whole and stays."""
    dead = (syncs.c.source_id == source_id) & (syncs.c.state == SyncState.RUNNING.value)
    return (await connection.execute(update(syncs).where(dead).values(_interrupted(now)))).rowcount


async def interrupt_abandoned(connection: AsyncConnection, now: float) -> int:
    """Mark what says it runs although no living lease is behind it."""
    lease = exists().where(
        schedule.c.kind == Work.SYNC.value, schedule.c.subject == syncs.c.source_id, schedule.c.lease_until > now
    )
    dead = (syncs.c.state == SyncState.RUNNING.value) & ~lease
    return (await connection.execute(update(syncs).where(dead).values(_interrupted(int(now))))).rowcount


def _interrupted(now: int) -> dict[str, object]:
    return {"state": SyncState.INTERRUPTED.value, "finished_at": now, "detail": _STOPPED}


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


async def clear_failures(connection: AsyncConnection, source_id: str, keys: Sequence[tuple[str, str]]) -> None:
    """Forget the failures of releases of a source, each (slug, version), that came through after all."""
    table = sync_failures
    gone = (table.c.source_id == source_id) & is_pair_of(
        table.c.version, table.c.plugin_id, [(version, slug) for slug, version in keys]
    )
    await connection.execute(delete(table).where(gone))


async def list_failures(
    connection: AsyncConnection, source_id: str, *, limit: int | None = None
) -> Sequence[SyncFailure]:
    """Give what of a source failed and is not yet mended, latest first."""
    table = sync_failures
    query = select(table).where(table.c.source_id == source_id).order_by(table.c.last_failed.desc(), table.c.id.desc())
    if limit is not None:
        query = query.limit(limit)
    rows = (await connection.execute(query)).mappings()
    return [read_failure(row) for row in rows]


async def retry_failures(connection: AsyncConnection, source_id: str, code: str, now: int) -> None:
    """Let what failed for this reason be tried again at once."""
    table = sync_failures
    failed = (table.c.source_id == source_id) & (table.c.code == code)
    await connection.execute(update(table).where(failed).values(next_retry=now))


async def next_retry_at(connection: AsyncConnection, source_id: str, now: float) -> int | None:
    """Give when the next failed release of a source is due, of those that are not due already."""
    table = sync_failures
    query = select(func.min(table.c.next_retry)).where(
        table.c.source_id == source_id, table.c.plugin_id != "", table.c.next_retry > now
    )
    due_at: int | None = (await connection.execute(query)).scalar_one()
    return due_at
