"""Rows of ``deliveries``: what webhooks are sent, and how its tries went."""

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import RowMapping, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.delivery import Delivery, DeliveryState
from pfn.storage.schema import deliveries as table

_PENDING = table.c.state == DeliveryState.PENDING.value


def _read(row: RowMapping) -> Delivery:
    return Delivery(**{**row, "state": DeliveryState(row["state"])})


def _write(delivery: Delivery) -> dict[str, object]:
    return {
        "webhook_id": delivery.webhook_id,
        "event_seq": delivery.event_seq,
        "message_id": delivery.message_id,
        "type": delivery.type,
        "body": delivery.body,
        "created_at": delivery.created_at,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "next_try": delivery.next_try,
        "delivered_at": delivery.delivered_at,
        "last_status": delivery.last_status,
        "last_error": delivery.last_error,
        "last_ms": delivery.last_ms,
    }


async def add_deliveries(connection: AsyncConnection, deliveries: Sequence[Delivery]) -> None:
    """Insert deliveries; the database refuses a second one of an event for a webhook."""
    if deliveries:
        await connection.execute(insert(table), [_write(delivery) for delivery in deliveries])


async def settle_delivery(connection: AsyncConnection, before: Delivery, after: Delivery) -> bool:
    """Write how a try ended, unless the delivery moved on since it was read; tell whether it was written."""
    query = update(table).where(table.c.id == before.id, _PENDING, table.c.attempts == before.attempts)
    return bool((await connection.execute(query.values(_write(after)))).rowcount)


async def get_delivery(connection: AsyncConnection, delivery_id: int) -> Delivery | None:
    """Find one."""
    row = (await connection.execute(select(table).where(table.c.id == delivery_id))).mappings().first()
    return None if row is None else _read(row)


async def find_message(connection: AsyncConnection, message_id: str) -> Delivery | None:
    """Find one by the id its receiver sees."""
    row = (await connection.execute(select(table).where(table.c.message_id == message_id))).mappings().first()
    return None if row is None else _read(row)


async def next_delivery(connection: AsyncConnection, webhook_id: int, now: int) -> Delivery | None:
    """Give the oldest pending delivery of a webhook that is due."""
    query = select(table).where(table.c.webhook_id == webhook_id, _PENDING, table.c.next_try <= now)
    row = (await connection.execute(query.order_by(table.c.id).limit(1))).mappings().first()
    return None if row is None else _read(row)


async def next_try_at(connection: AsyncConnection, webhook_id: int) -> int | None:
    """Give when the next try for a webhook is due; None where nothing is pending."""
    query = select(func.min(table.c.next_try)).where(table.c.webhook_id == webhook_id, _PENDING)
    at: int | None = (await connection.execute(query)).scalar_one()
    return at


async def list_deliveries(
    connection: AsyncConnection,
    webhook_id: int,
    *,
    limit: int,
    before: int | None = None,
    state: DeliveryState | None = None,
) -> Sequence[Delivery]:
    """Give the deliveries of a webhook, newest first, those older than the cursor ``before`` where one is given."""
    query = select(table).where(table.c.webhook_id == webhook_id).order_by(table.c.id.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.id < before)
    if state is not None:
        query = query.where(table.c.state == state.value)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def count_deliveries(
    connection: AsyncConnection, webhook_ids: Collection[int]
) -> Mapping[int, Mapping[DeliveryState, int]]:
    """Tell how many deliveries in which state each of these webhooks has."""
    counts: dict[int, dict[DeliveryState, int]] = {one: dict.fromkeys(DeliveryState, 0) for one in webhook_ids}
    query = (
        select(table.c.webhook_id, table.c.state, func.count())
        .where(table.c.webhook_id.in_(webhook_ids))
        .group_by(table.c.webhook_id, table.c.state)
    )
    for webhook_id, state, number in await connection.execute(query):
        counts[webhook_id][DeliveryState(state)] = number
    return counts


async def renew_delivery(connection: AsyncConnection, delivery_id: int, now: int) -> None:
    """Make a delivery pending again, with all its tries before it."""
    await connection.execute(
        update(table)
        .where(table.c.id == delivery_id)
        .values(state=DeliveryState.PENDING.value, attempts=0, next_try=now, delivered_at=None)
    )


async def renew_failed(connection: AsyncConnection, webhook_id: int, since: int, now: int) -> int:
    """Make those that failed and were made ``since`` pending again; tell how many there are."""
    query = update(table).where(
        table.c.webhook_id == webhook_id,
        table.c.state == DeliveryState.FAILED.value,
        table.c.created_at >= since,
    )
    values = {"state": DeliveryState.PENDING.value, "attempts": 0, "next_try": now}
    return (await connection.execute(query.values(values))).rowcount


async def fail_pending(connection: AsyncConnection, webhook_id: int, reason: str) -> int:
    """Give up what is pending for a webhook; tell how much that was."""
    query = update(table).where(table.c.webhook_id == webhook_id, _PENDING)
    values = {"state": DeliveryState.FAILED.value, "next_try": None, "last_error": reason}
    return (await connection.execute(query.values(values))).rowcount


async def drop_undelivered(connection: AsyncConnection, webhook_id: int) -> list[int]:
    """Delete what was not delivered to a webhook that nobody wants any more; give the events it was about."""
    query = delete(table).where(table.c.webhook_id == webhook_id, table.c.state != DeliveryState.DELIVERED.value)
    dropped = (await connection.execute(query.returning(table.c.event_seq))).scalars().all()
    return sorted(seq for seq in dropped if seq is not None)
