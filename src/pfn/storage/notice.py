"""What fanning events out to webhooks reads and writes beside them: how far it is, who subscribes, who was told."""

from collections.abc import Collection, Mapping

from sqlalchemy import and_, exists, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import ActivityType
from pfn.domain.delivery import DeliveryState
from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Candidate, Filters
from pfn.storage.dialect import insert_or, is_of_plugins
from pfn.storage.schema import (
    cursors,
    deliveries,
    events,
    listings,
    mirrored_plugins,
    plugins,
    sources,
    subscriptions,
    version_updates,
)

# Databases limit how many values a statement may carry.
_AT_A_TIME = 500


async def get_cursor(connection: AsyncConnection, name: str) -> int:
    """Give the number of the last event that a reader has taken in; 0 where it has not begun."""
    seq: int | None = (await connection.execute(select(cursors.c.seq).where(cursors.c.name == name))).scalar()
    return seq or 0


async def hold_cursor(connection: AsyncConnection, name: str) -> int:
    """Give the same and keep others from moving it until this transaction ends."""
    await connection.execute(insert_or(connection, cursors).values(name=name, seq=0).on_conflict_do_nothing())
    query = select(cursors.c.seq).where(cursors.c.name == name).with_for_update()
    return int((await connection.execute(query)).scalar_one())


async def move_cursor(connection: AsyncConnection, name: str, seq: int) -> None:
    """Move a cursor that was held in this transaction."""
    await connection.execute(update(cursors).where(cursors.c.name == name).values(seq=seq))


async def living_filters(
    connection: AsyncConnection, owners: Collection[str], source_ids: Collection[str]
) -> Mapping[tuple[str, str], Filters]:
    """Map (subscriber, source_id) to the filters of the living subscription there is."""
    table = subscriptions
    query = select(table.c.subscriber, table.c.source_id, table.c.filters).where(
        table.c.ended_at.is_(None), table.c.subscriber.in_(owners), table.c.source_id.in_(source_ids)
    )
    return {(row[0], row[1]): Filters.from_json(row[2]) for row in await connection.execute(query)}


async def list_candidates(
    connection: AsyncConnection, keys: Collection[tuple[str, str, str]]
) -> Mapping[tuple[str, str, str], Candidate]:
    """Map those of these (source_id, slug, version) that are mirrored to how filters see them."""
    table = mirrored_plugins
    key = (table.c.source_id, table.c.plugin_id, table.c.version)
    listed = and_(*(mine == listings.c[mine.name] for mine in key))
    query = (
        select(*key, table.c.tags, sources.c.username, table.c.level)
        .add_columns(listings.c.first_seen, table.c.mirror_date, sources.c.trust_score)
        .join(sources, sources.c.id == table.c.source_id)
        .join(listings, listed, isouter=True)
        .where(is_of_plugins(connection, table, {one[:2] for one in keys}), tuple_(*key).in_(keys))
    )
    return {
        (source_id, slug, version): Candidate(
            slug,
            version,
            tuple(tags),
            author,
            SignatureLevel(level),
            mirrored if first_seen is None else min(first_seen, mirrored),
            trust,
        )
        for source_id, slug, version, tags, author, level, first_seen, mirrored, trust in await connection.execute(
            query
        )
    }


async def list_tags(
    connection: AsyncConnection, keys: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], tuple[str, ...]]:
    """Map those of these (source_id, slug) that are known to their tags: as mirrored, or as listed."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for table in (listings, plugins):
        query = select(table.c.source_id, table.c.plugin_id, table.c.tags).where(is_of_plugins(connection, table, keys))
        found |= {(row[0], row[1]): tuple(row[2]) for row in await connection.execute(query)}
    return found


async def mark_notified(connection: AsyncConnection, seqs: Collection[int]) -> None:
    """Mark the version updates among these events of which every notice was delivered, none needed included."""
    ordered = sorted(seqs)
    for start in range(0, len(ordered), _AT_A_TIME):
        await _mark(connection, ordered[start : start + _AT_A_TIME])


async def _mark(connection: AsyncConnection, seqs: Collection[int]) -> None:
    table = version_updates
    is_its_event = and_(
        events.c.seq.in_(seqs),
        events.c.type == ActivityType.VERSION_UPDATE.value,
        events.c.source_id == table.c.source_id,
        events.c.plugin_id == table.c.plugin_id,
        events.c.new_version == table.c.new_version,
    )
    # Held before it is looked at, or the last two deliveries of one event would each see the other as missing.
    held = select(table.c.id).where(table.c.notified.is_(False), exists().where(is_its_event)).order_by(table.c.id)
    ids = (await connection.execute(held.with_for_update())).scalars().all()
    if not ids:
        return
    is_missing = and_(deliveries.c.event_seq == events.c.seq, deliveries.c.state != DeliveryState.DELIVERED.value)
    told = exists().where(is_its_event, ~exists().where(is_missing).correlate(events))
    await connection.execute(update(table).where(table.c.id.in_(ids), told).values(notified=True))
