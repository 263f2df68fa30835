"""Webhooks and deliveries keep every field, on both engines; who changes one holds it."""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.support.records import ANN, BOB, add_sources, make_release, offer

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.delivery import Attempt, Delivery, DeliveryState, settle
from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Candidate, Filters
from pfn.domain.webhook import Webhook, WebhookState
from pfn.protocol.webhook import WebhookKeys
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.delivery import (
    add_deliveries,
    count_deliveries,
    drop_undelivered,
    fail_pending,
    find_message,
    get_delivery,
    list_deliveries,
    next_delivery,
    next_try_at,
    renew_failed,
    settle_delivery,
)
from pfn.storage.notice import (
    get_cursor,
    hold_cursor,
    list_candidates,
    list_tags,
    living_filters,
    mark_notified,
    move_cursor,
)
from pfn.storage.release import add_version_updates
from pfn.storage.subscription import end_subscriptions, put_subscription
from pfn.storage.webhook import (
    add_webhook,
    count_webhooks,
    get_webhook,
    hold_active_webhooks,
    hold_webhook,
    list_webhooks,
    put_webhook,
)

NOW = 1_800_000_000
WEBHOOK = Webhook(
    0,
    "agency",
    "https://hooks.example/in",
    NOW,
    WebhookKeys.generate(),
    description="Grüße",
    kinds=(ActivityType.VERSION_UPDATE, ActivityType.HEALTH_CHANGE),
    sources=(ANN, BOB),
    everything=True,
)


async def add(database: Database, **changes: object) -> Webhook:
    webhook = replace(WEBHOOK, **changes)  # type: ignore[arg-type]  # fields by name
    async with database.write() as connection:
        return replace(webhook, id=await add_webhook(connection, webhook))


def make(webhook: Webhook, seq: int | None, name: str, **changes: object) -> Delivery:
    delivery = Delivery(webhook.id, seq, name, "a.b", '{"a":"ü"}', NOW, next_try=NOW)
    return replace(delivery, **changes)  # type: ignore[arg-type]  # fields by name


async def test_a_webhook_keeps_every_field(database: Database) -> None:
    made = await add(database)
    full = replace(
        made,
        keys=WebhookKeys.generate(),
        old_keys=made.keys,
        old_until=NOW + 1,
        state=WebhookState.DISABLED,
        state_detail="why",
        failing_since=NOW - 1,
        rest_until=NOW + 2,
        everything=False,
    )
    async with database.write() as connection:
        assert await hold_webhook(connection, made.id) == made
        await put_webhook(connection, full)
    async with database.read() as connection:
        assert await get_webhook(connection, made.id) == full
        assert await get_webhook(connection, made.id + 1) is None


async def test_who_has_which_webhooks(database: Database) -> None:
    first = await add(database)
    second = await add(database, owner="other", state=WebhookState.DISABLED)
    await add(database, state=WebhookState.REMOVED)
    async with database.write() as connection:
        assert list(await list_webhooks(connection)) == [second, first]
        assert list(await list_webhooks(connection, owner="agency")) == [first]
        assert list(await hold_active_webhooks(connection)) == [first]
        assert await count_webhooks(connection, "agency") == 1


async def test_a_delivery_keeps_every_field_and_is_written_once(database: Database) -> None:
    webhook = await add(database)
    async with database.write() as connection:
        await add_deliveries(connection, [make(webhook, 1, "msg_1"), make(webhook, None, "msg_2")])
        await add_deliveries(connection, [make(webhook, None, "msg_3")])
        kept = await find_message(connection, "msg_1")
        assert kept is not None
        assert kept == make(webhook, 1, "msg_1", id=kept.id)
        _, tried = settle(webhook, kept, Attempt(500, 12, 7), NOW, 0.0)
        assert await settle_delivery(connection, kept, tried)
        assert not await settle_delivery(connection, kept, tried)
        assert await get_delivery(connection, kept.id) == tried
    for twice in (make(webhook, 1, "msg_9"), make(webhook, 2, "msg_1")):
        with pytest.raises(IntegrityError):
            async with database.write() as connection:
                await add_deliveries(connection, [twice])


async def test_what_is_due_comes_oldest_first(database: Database) -> None:
    webhook, other = await add(database), await add(database)
    later, now, done = (make(webhook, seq, f"msg_{seq}") for seq in (1, 2, 3))
    async with database.write() as connection:
        await add_deliveries(
            connection,
            [
                replace(later, next_try=NOW + 1),
                now,
                replace(done, state=DeliveryState.DELIVERED, next_try=None),
                make(other, 1, "msg_other", next_try=NOW - 9),
            ],
        )
        for at, found in ((NOW - 1, None), (NOW, "msg_2"), (NOW + 1, "msg_1")):
            due = await next_delivery(connection, webhook.id, at)
            assert (due and due.message_id) == found
        assert await next_try_at(connection, webhook.id) == NOW
        assert await next_try_at(connection, 999) is None


async def test_the_log_is_paged_and_counted(database: Database) -> None:
    webhook, other = await add(database), await add(database)
    states = [DeliveryState.DELIVERED, DeliveryState.FAILED, DeliveryState.PENDING, DeliveryState.FAILED]
    async with database.write() as connection:
        rows = [make(webhook, seq, f"msg_{seq}", state=state) for seq, state in enumerate(states)]
        await add_deliveries(connection, rows)
        newest = await list_deliveries(connection, webhook.id, limit=3)
        assert [one.event_seq for one in newest] == [3, 2, 1]
        older = await list_deliveries(connection, webhook.id, limit=3, before=newest[-1].id)
        assert [one.event_seq for one in older] == [0]
        failed = await list_deliveries(connection, webhook.id, limit=3, state=DeliveryState.FAILED)
        assert [one.event_seq for one in failed] == [3, 1]
        counts = await count_deliveries(connection, [webhook.id, other.id])
        assert counts[webhook.id] == {DeliveryState.PENDING: 1, DeliveryState.DELIVERED: 1, DeliveryState.FAILED: 2}
        assert set(counts[other.id].values()) == {0}
        assert await renew_failed(connection, webhook.id, NOW + 1, NOW) == 0
        assert await renew_failed(connection, webhook.id, NOW, NOW) == 2
        assert await fail_pending(connection, webhook.id, "why") == 3
        assert await drop_undelivered(connection, webhook.id) == [1, 2, 3]
        assert len(await list_deliveries(connection, webhook.id, limit=9)) == 1


async def test_a_cursor_begins_at_nothing_and_moves(database: Database) -> None:
    async with database.read() as connection:
        assert await get_cursor(connection, "x") == 0
    async with database.write() as connection:
        assert await hold_cursor(connection, "x") == 0
        await move_cursor(connection, "x", 7)
    async with database.write() as connection:
        assert await hold_cursor(connection, "x") == 7
        assert await get_cursor(connection, "y") == 0


async def test_subscriptions_and_plugins_as_filters_see_them(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection)
        ended = await put_subscription(connection, BOB, "agency", Filters(), NOW)
        await end_subscriptions(connection, NOW, subscription_id=ended)
        await put_subscription(connection, ANN, "agency", Filters(tags=("seo",)), NOW)
        await put_subscription(connection, ANN, "other", Filters(), NOW)
        await offer(connection, make_release("hello", "1.0"))
        assert await living_filters(connection, ["agency", "nobody"], [ANN, BOB]) == {
            ("agency", ANN): Filters(tags=("seo",))
        }
        key = (ANN, "hello", "1.0")
        assert await list_candidates(connection, [key, (ANN, "hello", "2.0")]) == {
            key: Candidate("hello", "1.0", ("Tools", "seo"), "ann", SignatureLevel.METADATA, 2_000, 0.5)
        }
        assert await list_tags(connection, [key[:2], (BOB, "hello")]) == {key[:2]: ("Tools", "seo")}


async def test_the_last_two_deliveries_of_one_event_see_each_other(nodes: tuple[Database, Database]) -> None:
    """Each is written in a transaction of its own, the second before the first has ended."""
    here, there = nodes
    webhooks = [await add(here), await add(here)]
    release = make_release()
    event = Activity(
        ActivityType.VERSION_UPDATE,
        NOW,
        "node",
        describe("plugin_added", "It came."),
        source_id=ANN,
        plugin_id=release.plugin_id,
        new_version=release.version,
    )
    async with here.write() as connection:
        await add_sources(connection)
        await offer(connection, release)
        await add_version_updates(connection, [(release, "0.0.0")])
        await add_activities(connection, [event])
        await add_deliveries(connection, [make(webhook, 1, f"msg_{webhook.id}") for webhook in webhooks])

    async def deliver(database: Database, webhook: Webhook, linger: float) -> None:
        async with database.write() as connection:
            before = await find_message(connection, f"msg_{webhook.id}")
            assert before is not None
            await settle_delivery(connection, before, replace(before, state=DeliveryState.DELIVERED))
            await mark_notified(connection, [1])
            await asyncio.sleep(linger)

    async def follow() -> None:
        await asyncio.sleep(0.1)
        await deliver(there, webhooks[1], 0)

    await asyncio.gather(deliver(here, webhooks[0], 0.4), follow())
    async with here.read() as connection:
        told = await connection.exec_driver_sql("SELECT notified FROM version_updates")
        assert [bool(row[0]) for row in told] == [True]
