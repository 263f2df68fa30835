"""Deliveries: send what is due to a webhook, keep the log of it, send it again.

At least once: a crash between sending a message and writing that down sends it again, under the same id, by which its
receiver counts it once. One worker at a time sends for one webhook, under the lease of its ``deliver`` row, and no
webhook waits for another.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.delivery import (
    DELIVERY_LIFE_CYCLE,
    PING,
    REDELIVER,
    Attempt,
    Delivery,
    DeliveryState,
    new_message_id,
    settle,
    write_ping,
)
from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.webhook import Webhook, WebhookState, webhook_event
from pfn.outbound.receiver import ReceiverClient
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.schedule import ScheduleService
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.delivery import (
    add_deliveries,
    fail_pending,
    find_message,
    get_delivery,
    list_deliveries,
    next_delivery,
    next_try_at,
    renew_delivery,
    renew_failed,
    settle_delivery,
)
from pfn.storage.notice import mark_notified
from pfn.storage.webhook import get_webhook, hold_webhook, put_webhook

LONGEST_PAGE = 200

_MOST_PER_RUN = 100
_IDLE_S = 86_400

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page of the log, newest first, and the cursor of the next."""

    deliveries: Sequence[Delivery]
    next: int | None


class DeliveryService:
    """Sends messages and keeps the log."""

    def __init__(
        self,
        database: Database,
        receivers: ReceiverClient,
        schedule: ScheduleService,
        clock: Clock,
        *,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._receivers = receivers
        self._schedule = schedule
        self._clock = clock
        self._dice = dice

    async def deliver(self, webhook_id: int) -> Outcome:
        """Send what is due to a webhook, oldest first, until nothing is, it is to be left alone, or it is enough.

        How its receiver behaves fails no run: the outcome's ``wait`` says when the next try is due.
        """
        delivered = 0
        for _ in range(_MOST_PER_RUN):
            found = await self._find_due(webhook_id)
            if found is None:
                break
            webhook, delivery = found
            attempt = await self._send(webhook, delivery)
            settled = await self._settle(delivery, attempt)
            delivered += settled.state is DeliveryState.DELIVERED
        result = Result.CHANGED if delivered else Result.UNCHANGED
        return Outcome(result, await self._wait(webhook_id), f"{delivered} delivered")

    async def ping(self, webhook: Webhook) -> Delivery:
        """Send a test message now, once, and tell how it went; it is in the log like any other."""
        now = int(self._clock())
        fresh = Delivery(webhook.id, None, new_message_id(), PING, write_ping(webhook, now), created_at=now)
        attempt = await self._send(webhook, fresh)
        now = int(self._clock())
        async with self._database.write() as connection:
            held = await _hold(connection, webhook.id)
            after, tried = settle(held, fresh, attempt, now, self._dice())
            if tried.state is DeliveryState.PENDING:
                tried = replace(tried, state=DeliveryState.FAILED, next_try=None)
            await add_deliveries(connection, [tried])
            await self._follow(connection, held, after, now)
            kept = await find_message(connection, tried.message_id)
        assert kept is not None  # it was added in this transaction
        return kept

    async def list(
        self, webhook_id: int, *, limit: int = 50, before: int | None = None, state: DeliveryState | None = None
    ) -> DeliveryPage:
        """Give one page of the log, of deliveries in one state alone where one is given."""
        limit = min(limit, LONGEST_PAGE)
        async with self._database.read() as connection:
            found = await list_deliveries(connection, webhook_id, limit=limit + 1, before=before, state=state)
        page = found[:limit]
        return DeliveryPage(page, page[-1].id if len(found) > limit else None)

    async def redeliver(self, webhook_id: int, actor: str, *, delivery_id: int | None = None, since: int = 0) -> int:
        """Send one delivery again, or all that failed and were made ``since`` (Unix seconds); tell how many.

        They get all their tries anew, under the ids they had. Raises PfnError: ``delivery_unknown``, ``wrong_state``
        for one that is pending still, or where the webhook is not active.
        """
        now = int(self._clock())
        async with self._database.write() as connection:
            webhook = await _hold(connection, webhook_id)
            if webhook.state is not WebhookState.ACTIVE:
                raise PfnError(Code.WRONG_STATE, f"The webhook is {webhook.state}; enable it first.")
            if delivery_id is None:
                count = await renew_failed(connection, webhook_id, since, now)
            else:
                delivery = await get_delivery(connection, delivery_id)
                if delivery is None or delivery.webhook_id != webhook_id:
                    raise PfnError(Code.DELIVERY_UNKNOWN, f"Webhook {webhook_id} has no delivery {delivery_id}.")
                DELIVERY_LIFE_CYCLE.next(delivery.state, REDELIVER)
                await renew_delivery(connection, delivery_id, now)
                count = 1
            if count:
                awake = replace(webhook, rest_until=None)
                await put_webhook(connection, awake)
                await put_due_delivery(self._schedule, connection, awake, now)
                done = f"gets {count} deliver{'y' if count == 1 else 'ies'} again"
                event = webhook_event(webhook, now, "webhook_redelivered", done, actor=actor)
                await add_activities(connection, [event])
        return count

    async def _find_due(self, webhook_id: int) -> tuple[Webhook, Delivery] | None:
        now = int(self._clock())
        async with self._database.read() as connection:
            webhook = await get_webhook(connection, webhook_id)
            if webhook is None or webhook.state is not WebhookState.ACTIVE or (webhook.rest_until or 0) > now:
                return None
            delivery = await next_delivery(connection, webhook_id, now)
        return None if delivery is None else (webhook, delivery)

    async def _send(self, webhook: Webhook, delivery: Delivery) -> Attempt:
        headers = delivery.sign(webhook, int(self._clock()))
        attempt = await self._receivers.send(webhook.url, delivery.body.encode(), headers)
        log.info("webhook_tried", webhook=webhook.id, message=delivery.message_id, status=attempt.status, ms=attempt.ms)
        return attempt

    async def _settle(self, delivery: Delivery, attempt: Attempt) -> Delivery:
        now = int(self._clock())
        async with self._database.write() as connection:
            webhook = await _hold(connection, delivery.webhook_id)
            after, settled = settle(webhook, delivery, attempt, now, self._dice())
            # Not where it was given up or dropped meanwhile, with its webhook.
            if await settle_delivery(connection, delivery, settled):
                if settled.state is DeliveryState.DELIVERED and settled.event_seq is not None:
                    await mark_notified(connection, [settled.event_seq])
                await self._follow(connection, webhook, after, now)
        return settled

    async def _follow(self, connection: AsyncConnection, before: Webhook, after: Webhook, now: int) -> None:
        """Write what a try did to its webhook."""
        if after != before:
            await put_webhook(connection, after)
        if after.state is not before.state:
            await fail_pending(connection, after.id, f"Its webhook was disabled. {after.state_detail}")
            done = f"was disabled: {after.state_detail}".rstrip(".")
            await add_activities(connection, [webhook_event(after, now, "webhook_disabled", done)])

    async def _wait(self, webhook_id: int) -> int:
        async with self._database.read() as connection:
            webhook = await get_webhook(connection, webhook_id)
            at = await next_try_at(connection, webhook_id)
        if webhook is None or webhook.state is not WebhookState.ACTIVE or at is None:
            return _IDLE_S
        return max(0, max(at, webhook.rest_until or 0) - int(self._clock()))


async def put_due_delivery(schedule: ScheduleService, connection: AsyncConnection, webhook: Webhook, at: int) -> None:
    """Have a webhook's deliveries sent from ``at`` on, or from when its receiver may be asked again."""
    at = max(at, webhook.rest_until or 0)
    await schedule.put(connection, Work.DELIVER, str(webhook.id), at=at, host=webhook.host)


async def _hold(connection: AsyncConnection, webhook_id: int) -> Webhook:
    webhook = await hold_webhook(connection, webhook_id)
    assert webhook is not None  # rows of webhooks are never deleted
    return webhook
