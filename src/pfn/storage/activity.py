"""Rows of ``events``: the one history.

Events become visible in the order of their numbers: who has read up to one never finds a lower one new. So whoever
appends on PostgreSQL waits for those who did before and have not committed yet; SQLite has one writer anyway.
"""

from collections.abc import Sequence

from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, ActivityType
from pfn.storage.schema import events

# Any constant will do that no other advisory lock here has.
_APPEND_LOCK = 7_311_991


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
                "details": activity.details,
            }
            for activity in activities
        ],
    )


async def list_activities(
    connection: AsyncConnection,
    *,
    limit: int,
    offset: int = 0,
    before: int | None = None,
    source_id: str | None = None,
    private: bool = False,
) -> Sequence[Activity]:
    """Give events newest first, those older than the cursor ``before`` where one is given."""
    query = select(events).order_by(events.c.seq.desc()).limit(limit).offset(offset)
    if before is not None:
        query = query.where(events.c.seq < before)
    if source_id is not None:
        query = query.where(events.c.source_id == source_id)
    if not private:
        query = query.where(events.c.private.is_(False))
    return [
        Activity(**{**row, "type": ActivityType(row["type"])}) for row in (await connection.execute(query)).mappings()
    ]


async def last_seq(connection: AsyncConnection) -> int:
    """Give the newest event's number: it changes whenever anything a client can see does."""
    newest: int = (await connection.execute(select(func.coalesce(func.max(events.c.seq), 0)))).scalar_one()
    return newest
