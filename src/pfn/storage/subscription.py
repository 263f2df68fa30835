"""Rows of ``subscriptions``."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.subscription import Filters, Subscription
from pfn.storage.dialect import insert_or
from pfn.storage.schema import subscriptions as table


def _read(row: RowMapping) -> Subscription:
    return Subscription(**{**row, "filters": Filters.from_json(row["filters"])})


async def put_subscription(
    connection: AsyncConnection, source_id: str, subscriber: str, filters: Filters, now: int
) -> int:
    """Give the id of the subscriber's living subscription to the source, made or with its filters changed."""
    made = await connection.execute(
        insert_or(connection, table)
        .values(source_id=source_id, subscriber=subscriber, filters=filters.to_json(), created_at=now)
        .on_conflict_do_update(
            index_elements=("source_id", "subscriber"),
            index_where=table.c.ended_at.is_(None),
            set_={"filters": filters.to_json()},
        )
        .returning(table.c.id)
    )
    return int(made.scalar_one())


async def change_filters(connection: AsyncConnection, subscription_id: int, filters: Filters) -> bool:
    """Change what a living subscription takes; tell whether it lives."""
    living = update(table).where(table.c.id == subscription_id, table.c.ended_at.is_(None))
    return bool((await connection.execute(living.values(filters=filters.to_json()))).rowcount)


async def get_subscription(connection: AsyncConnection, subscription_id: int) -> Subscription | None:
    """Find a subscription, living or ended."""
    row = (await connection.execute(select(table).where(table.c.id == subscription_id))).mappings().first()
    return None if row is None else _read(row)


async def list_subscriptions(
    connection: AsyncConnection,
    *,
    source_id: str | None = None,
    subscriber: str | None = None,
    ended: bool = False,
    limit: int | None = None,
    before: int | None = None,
) -> Sequence[Subscription]:
    """Give the living subscriptions (or, with ``ended``, all), newest first; those made before ``before`` if given."""
    query = select(table).order_by(table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.id < before)
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    if subscriber is not None:
        query = query.where(table.c.subscriber == subscriber)
    if not ended:
        query = query.where(table.c.ended_at.is_(None))
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def end_subscriptions(
    connection: AsyncConnection,
    now: int,
    *,
    subscription_id: int | None = None,
    source_id: str | None = None,
) -> int:
    """End one subscription, or all of a source, and tell how many ended."""
    query = update(table).where(table.c.ended_at.is_(None)).values(ended_at=now)
    if subscription_id is not None:
        query = query.where(table.c.id == subscription_id)
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    return (await connection.execute(query)).rowcount
