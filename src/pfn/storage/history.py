"""What is old enough to be forgotten, and how far the history was: small deletions, each its own transaction's.

Nothing is forgotten that somebody still waits for: the newest event, whose number every ETag hangs on; events whose
notices are not delivered, or that a reader with a cursor has not come to; the newest verification and sync of each
source. Events are forgotten behind a horizon, so that a live reader who stopped before it can be told that it missed
some.
"""

from collections.abc import Mapping

from sqlalchemy import Column, delete, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.storage.dialect import insert_or
from pfn.storage.schema import cursors, deliveries, events, source_verifications, syncs

HORIZON = "forgotten"
"""The cursor that says up to which number events may be gone."""


async def forget_events(connection: AsyncConnection, *, before: int, limit: int) -> int:
    """Delete up to ``limit`` events from before a Unix time, and tell how many went."""
    doomed = select(events.c.seq).where(*_old_events(before)).order_by(events.c.timestamp).limit(limit)
    seqs = (await connection.execute(doomed)).scalars().all()
    if seqs:
        await connection.execute(delete(events).where(events.c.seq.in_(seqs)))
        reached = max(await get_horizon(connection), *seqs)
        statement = insert_or(connection, cursors).values(name=HORIZON, seq=reached)
        await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"seq": reached}))
    return len(seqs)


def _old_events(before: int) -> list[ColumnElement[bool]]:
    newest = select(func.max(events.c.seq)).scalar_subquery()
    unread = select(func.min(cursors.c.seq)).where(cursors.c.name != HORIZON).scalar_subquery()
    pending = select(deliveries.c.event_seq).where(deliveries.c.state == "pending", deliveries.c.event_seq.is_not(None))
    return [
        events.c.timestamp < before,
        events.c.seq < newest,
        events.c.seq <= func.coalesce(unread, newest),
        events.c.seq.not_in(pending),
    ]


async def count_old(connection: AsyncConnection, *, events_before: int, history_before: int) -> Mapping[str, int]:
    """Count what would be forgotten of before two Unix times: ``events``, and the histories by their names."""
    conditions = {
        "events": (events, _old_events(events_before)),
        "verifications": (source_verifications, _old_verifications(history_before)),
        "syncs": (syncs, _old_syncs(history_before)),
        "deliveries": (deliveries, _old_deliveries(history_before)),
    }
    return {
        name: (await connection.execute(select(func.count()).select_from(of).where(*which))).scalar_one()
        for name, (of, which) in conditions.items()
    }


async def get_horizon(connection: AsyncConnection) -> int:
    """Give the number up to which events may be gone; who read up to it missed none."""
    query = select(cursors.c.seq).where(cursors.c.name == HORIZON)
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def forget_verifications(connection: AsyncConnection, *, before: int, limit: int) -> int:
    """Delete up to ``limit`` verifications from before a Unix time, never a source's newest."""
    return await _forget(connection, source_verifications.c.id, *_old_verifications(before), limit=limit)


def _old_verifications(before: int) -> list[ColumnElement[bool]]:
    table, newer = source_verifications, source_verifications.alias()
    followed = exists().where(newer.c.source_id == table.c.source_id, newer.c.id > table.c.id)
    return [table.c.verified_at < before, followed]


async def forget_syncs(connection: AsyncConnection, *, before: int, limit: int) -> int:
    """Delete up to ``limit`` syncs that ended before a Unix time, never a source's newest."""
    return await _forget(connection, syncs.c.id, *_old_syncs(before), limit=limit)


def _old_syncs(before: int) -> list[ColumnElement[bool]]:
    newer = syncs.alias()
    followed = exists().where(newer.c.source_id == syncs.c.source_id, newer.c.id > syncs.c.id)
    return [syncs.c.finished_at < before, followed]


async def forget_deliveries(connection: AsyncConnection, *, before: int, limit: int) -> int:
    """Delete up to ``limit`` deliveries made before a Unix time that came through or were given up."""
    return await _forget(connection, deliveries.c.id, *_old_deliveries(before), limit=limit)


def _old_deliveries(before: int) -> list[ColumnElement[bool]]:
    return [deliveries.c.created_at < before, deliveries.c.state.in_(("delivered", "failed"))]


async def _forget(connection: AsyncConnection, key: Column[int], *conditions: ColumnElement[bool], limit: int) -> int:
    doomed = select(key).where(*conditions).order_by(key).limit(limit)
    return (await connection.execute(delete(key.table).where(key.in_(doomed)))).rowcount
