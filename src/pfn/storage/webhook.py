"""Rows of ``webhooks``. Their secrets lie here as they are: what signs cannot be kept as a hash."""

from collections.abc import Sequence

from sqlalchemy import RowMapping, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import ActivityType
from pfn.domain.webhook import Webhook, WebhookState
from pfn.protocol.webhook import WebhookKeys, WebhookSecret, read_signing_key, write_signing_key
from pfn.storage.schema import webhooks as table


def _read_keys(secret: str | None, signing_key: str | None) -> WebhookKeys | None:
    if secret is None or signing_key is None:
        return None
    return WebhookKeys(WebhookSecret.parse(secret), read_signing_key(signing_key))


def _read(row: RowMapping) -> Webhook:
    keys = _read_keys(row["secret"], row["signing_key"])
    assert keys is not None  # the columns cannot be empty
    return Webhook(
        id=row["id"],
        owner=row["owner"],
        url=row["url"],
        created_at=row["created_at"],
        keys=keys,
        description=row["description"],
        kinds=tuple(ActivityType(kind) for kind in row["kinds"]),
        sources=tuple(row["sources"]),
        everything=row["everything"],
        old_keys=_read_keys(row["old_secret"], row["old_signing_key"]),
        old_until=row["old_until"],
        state=WebhookState(row["state"]),
        state_detail=row["state_detail"],
        failing_since=row["failing_since"],
        rest_until=row["rest_until"],
    )


def _write(webhook: Webhook) -> dict[str, object]:
    old = webhook.old_keys
    return {
        "owner": webhook.owner,
        "url": webhook.url,
        "created_at": webhook.created_at,
        "secret": webhook.keys.secret.text,
        "signing_key": write_signing_key(webhook.keys.signing),
        "description": webhook.description,
        "kinds": [kind.value for kind in webhook.kinds],
        "sources": list(webhook.sources),
        "everything": webhook.everything,
        "old_secret": None if old is None else old.secret.text,
        "old_signing_key": None if old is None else write_signing_key(old.signing),
        "old_until": webhook.old_until,
        "state": webhook.state.value,
        "state_detail": webhook.state_detail,
        "failing_since": webhook.failing_since,
        "rest_until": webhook.rest_until,
    }


async def add_webhook(connection: AsyncConnection, webhook: Webhook) -> int:
    """Insert a webhook and give its id."""
    made = await connection.execute(insert(table).values(_write(webhook)).returning(table.c.id))
    return int(made.scalar_one())


async def put_webhook(connection: AsyncConnection, webhook: Webhook) -> None:
    """Write a webhook that was read with ``hold_webhook`` in this transaction."""
    await connection.execute(update(table).where(table.c.id == webhook.id).values(_write(webhook)))


async def get_webhook(connection: AsyncConnection, webhook_id: int) -> Webhook | None:
    """Find one, removed or not."""
    row = (await connection.execute(select(table).where(table.c.id == webhook_id))).mappings().first()
    return None if row is None else _read(row)


async def hold_webhook(connection: AsyncConnection, webhook_id: int) -> Webhook | None:
    """Find one, and keep others from changing it until this transaction ends."""
    query = select(table).where(table.c.id == webhook_id).with_for_update()
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _read(row)


async def list_webhooks(connection: AsyncConnection, *, owner: str | None = None) -> Sequence[Webhook]:
    """Give those that are not removed, newest first."""
    query = select(table).where(table.c.state != WebhookState.REMOVED.value).order_by(table.c.id.desc())
    if owner is not None:
        query = query.where(table.c.owner == owner)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def hold_active_webhooks(connection: AsyncConnection) -> Sequence[Webhook]:
    """Give the active ones; none of them ends before this transaction does."""
    query = select(table).where(table.c.state == WebhookState.ACTIVE.value).order_by(table.c.id)
    return [_read(row) for row in (await connection.execute(query.with_for_update(read=True))).mappings()]


async def count_webhooks(connection: AsyncConnection, owner: str) -> int:
    """Tell how many somebody has that are not removed."""
    query = select(func.count()).where(table.c.owner == owner, table.c.state != WebhookState.REMOVED.value)
    return int((await connection.execute(query)).scalar_one())
