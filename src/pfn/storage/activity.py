"""Rows of ``events``: the one history.

Events become visible in the order of their numbers: who has read up to one never finds a lower one new. So whoever
appends on PostgreSQL waits for those who did before and have not committed yet; SQLite has one writer anyway.
"""

from collections.abc import Sequence

from sqlalchemy import RowMapping, Select, func, insert, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import EVERYTHING, NODE, Activity, ActivityFilter, ActivityType
from pfn.storage.news import tell_others
from pfn.storage.schema import events, version_updates

# Any constant will do that no other advisory lock here has.
_APPEND_LOCK = 7_311_991

_NOTIFIED = (
    select(version_updates.c.notified)
    .where(
        events.c.type == ActivityType.VERSION_UPDATE.value,
        version_updates.c.source_id == events.c.source_id,
        version_updates.c.plugin_id == events.c.plugin_id,
        version_updates.c.new_version == events.c.new_version,
    )
    .limit(1)
    .correlate(events)
    .scalar_subquery()
    .label("notified")
)
_ROWS = select(*(column for column in events.columns if column is not events.c.action), _NOTIFIED)


def _read(row: RowMapping) -> Activity:
    return Activity(**{**row, "type": ActivityType(row["type"])})


async def add_activities(connection: AsyncConnection, activities: Sequence[Activity]) -> None:
    """Append events in their order; best as the last thing a transaction does, for others wait until it ends."""
    if not activities:
        return
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock(_APPEND_LOCK)))
    await connection.execute(
        insert(events),
        [
            {
                "type": activity.type.value,
                "timestamp": activity.timestamp,
                "actor": activity.actor,
                "source_id": activity.source_id,
                "source_username": activity.source_username,
                "plugin_id": activity.plugin_id,
                "plugin_name": activity.plugin_name,
                "old_version": activity.old_version,
                "new_version": activity.new_version,
                "private": activity.private,
                "action": activity.action,
                "details": activity.details,
            }
            for activity in activities
        ],
    )
    await tell_others(connection)


async def list_activities(
    connection: AsyncConnection,
    wanted: ActivityFilter = EVERYTHING,
    *,
    limit: int,
    offset: int = 0,
    before: int | None = None,
) -> Sequence[Activity]:
    """Give events newest first, those older than the cursor ``before`` where one is given."""
    query = _narrow(_ROWS, wanted).order_by(events.c.seq.desc()).limit(limit).offset(offset)
    if before is not None:
        query = query.where(events.c.seq < before)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def read_activities(
    connection: AsyncConnection, wanted: ActivityFilter = EVERYTHING, *, after: int, limit: int
) -> Sequence[Activity]:
    """Give events oldest first, those newer than the cursor ``after``: who reads on like this misses nothing."""
    query = _narrow(_ROWS, wanted).where(events.c.seq > after).order_by(events.c.seq).limit(limit)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def last_seq(connection: AsyncConnection) -> int:
    """Give the newest event's number: it changes whenever anything a client can see does."""
    newest: int = (await connection.execute(select(func.coalesce(func.max(events.c.seq), 0)))).scalar_one()
    return newest


def _narrow_by_kind(query: Select[tuple[object, ...]], wanted: ActivityFilter) -> Select[tuple[object, ...]]:
    if wanted.kinds:
        query = query.where(events.c.type.in_(sorted(kind.value for kind in wanted.kinds)))
    match sorted(wanted.actions):
        case [action]:
            # Said like this the index of actions gives the rows in their order.
            query = query.where(events.c.action == action)
        case [_, *_] as actions:
            # And like this not: several actions by it would have to be sorted.
            query = query.where(events.c.action.concat("").in_(actions))
    return query


def _narrow(query: Select[tuple[object, ...]], wanted: ActivityFilter) -> Select[tuple[object, ...]]:
    query = _narrow_by_kind(query, wanted)
    if wanted.by_people:
        # Written out: only then is the index of these rows used.
        query = query.where(events.c.actor != literal_column(f"'{NODE}'"))
    if wanted.actor is not None:
        query = query.where(events.c.actor == wanted.actor)
    if wanted.source_id is not None:
        query = query.where(events.c.source_id == wanted.source_id)
    if wanted.plugin_id is not None:
        query = query.where(events.c.plugin_id == wanted.plugin_id)
    if wanted.since is not None:
        query = query.where(events.c.timestamp >= wanted.since)
    if wanted.until is not None:
        query = query.where(events.c.timestamp < wanted.until)
    if wanted.private is not None:
        query = query.where(events.c.private.is_(wanted.private))
    return query
