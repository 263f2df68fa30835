"""Webhooks: make, show, change, rotate the keys of, enable, remove. An owner sees its own, an operator all.

A webhook belongs to the owner of the key that made it and outlives that key. What it signs with is shown once, when it
is made. ``NoticeService`` decides who is told of what, ``DeliveryService`` sends it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.access import Grant, Scope
from pfn.domain.activity import ActivityType
from pfn.domain.delivery import Delivery, DeliveryState
from pfn.domain.schedule import Outcome, Work
from pfn.domain.webhook import (
    ENABLE,
    OLD_KEYS_LIVE_S,
    REMOVE,
    WEBHOOK_LIFE_CYCLE,
    Webhook,
    WebhookState,
    webhook_event,
)
from pfn.outbound.policy import OutboundPolicy, check_url
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.webhook import WebhookKeys
from pfn.services.access import require
from pfn.services.clock import Clock
from pfn.services.delivery import DeliveryPage, DeliveryService
from pfn.services.notice import NoticeService
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.delivery import count_deliveries, drop_undelivered
from pfn.storage.notice import mark_notified
from pfn.storage.schedule import drop_due
from pfn.storage.source import get_source
from pfn.storage.webhook import add_webhook, count_webhooks, get_webhook, hold_webhook, list_webhooks, put_webhook

MOST_PER_OWNER = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants of a webhook; what is None stays as it is, or as it is by default.

    By default an operator hears of everything, anybody else of what his subscriptions take.
    """

    url: str | None = None
    description: str | None = None
    kinds: Sequence[ActivityType] | None = None
    sources: Sequence[str] | None = None
    everything: bool | None = None


@dataclass(frozen=True, slots=True)
class NewKeys:
    """A webhook with new keys: the only moment its secret is shown."""

    webhook: Webhook
    secret: str


@dataclass(frozen=True, slots=True)
class WebhookOverview:
    """A webhook, and how many of its deliveries are in which state."""

    webhook: Webhook
    counts: Mapping[DeliveryState, int]


class WebhookService:
    """Owns webhooks; everything the outside asks of them begins here."""

    def __init__(
        self,
        database: Database,
        policy: OutboundPolicy,
        notices: NoticeService,
        deliveries: DeliveryService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._policy = policy
        self._notices = notices
        self._deliveries = deliveries
        self._clock = clock

    async def has_news(self) -> bool:
        """Tell whether there are events that were not fanned out; writes nothing."""
        return await self._notices.has_news()

    async def notify(self) -> Outcome:
        """Fan events out into deliveries (``NOTIFY``)."""
        return await self._notices.notify()

    async def deliver(self, webhook_id: int) -> Outcome:
        """Send what is due to a webhook (``DELIVER``)."""
        return await self._deliveries.deliver(webhook_id)

    async def add(self, grant: Grant, wish: Wish) -> NewKeys:
        """Make a webhook of the key's owner.

        Raises PfnError: ``scope_missing``, ``invalid_url``, ``source_unknown``, ``wrong_state`` for one too many.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        now = int(self._clock())
        plain = Webhook(0, grant.owner, "", now, WebhookKeys.generate(), everything=grant.is_operator)
        async with self._database.write() as connection:
            webhook = await self._fulfil(connection, grant, plain, replace(wish, url=wish.url or ""))
            if await count_webhooks(connection, grant.owner) >= MOST_PER_OWNER:
                raise PfnError(Code.WRONG_STATE, f"{grant.owner} has {MOST_PER_OWNER} webhooks; remove one first.")
            webhook = replace(webhook, id=await add_webhook(connection, webhook))
            await _tell(connection, grant, webhook, now, "webhook_added", "was added")
        return NewKeys(webhook, webhook.keys.secret.text)

    async def list(self, grant: Grant) -> Sequence[WebhookOverview]:
        """Give webhooks, newest first: an operator sees all. Raises PfnError (``scope_missing``)."""
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        async with self._database.read() as connection:
            found = await list_webhooks(connection, owner=None if grant.is_operator else grant.owner)
            webhooks = [webhook for webhook in found if _may_see(grant, webhook)]
            counts = await count_deliveries(connection, [webhook.id for webhook in webhooks])
        return [WebhookOverview(webhook, counts[webhook.id]) for webhook in webhooks]

    async def get(self, grant: Grant, webhook_id: int) -> WebhookOverview:
        """Give one. Raises PfnError: ``scope_missing``, ``webhook_unknown``, also where it is somebody else's."""
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        async with self._database.read() as connection:
            webhook = _require_own(grant, webhook_id, await get_webhook(connection, webhook_id))
            counts = await count_deliveries(connection, [webhook_id])
        return WebhookOverview(webhook, counts[webhook_id])

    async def change(self, grant: Grant, webhook_id: int, wish: Wish) -> Webhook:
        """Change what is wished for. Raises PfnError as ``get`` does, ``invalid_url``, ``source_unknown``."""
        now = int(self._clock())
        async with self._database.write() as connection:
            before = await self._hold_own(connection, grant, webhook_id)
            after = await self._fulfil(connection, grant, before, wish)
            if after != before:
                await put_webhook(connection, after)
                await _tell(connection, grant, after, now, "webhook_changed", "was changed")
        return after

    async def rotate_keys(self, grant: Grant, webhook_id: int) -> NewKeys:
        """Give it new keys; for a day messages are signed with the old ones too. Raises PfnError as ``get`` does."""
        now = int(self._clock())
        async with self._database.write() as connection:
            before = await self._hold_own(connection, grant, webhook_id)
            keys = WebhookKeys.generate()
            after = replace(before, keys=keys, old_keys=before.keys, old_until=now + OLD_KEYS_LIVE_S)
            await put_webhook(connection, after)
            await _tell(connection, grant, after, now, "webhook_keys_rotated", "got new keys")
        return NewKeys(after, keys.secret.text)

    async def enable(self, grant: Grant, webhook_id: int) -> Webhook:
        """Make a disabled webhook active again; what it missed meanwhile is not sent.

        Raises PfnError as ``get`` does, ``wrong_state``.
        """
        now = int(self._clock())
        async with self._database.write() as connection:
            before = await self._hold_own(connection, grant, webhook_id)
            state = WebhookState(WEBHOOK_LIFE_CYCLE.next(before.state, ENABLE))
            after = replace(before, state=state, state_detail=None, failing_since=None, rest_until=None)
            await put_webhook(connection, after)
            await _tell(connection, grant, after, now, "webhook_enabled", "was enabled")
        return after

    async def remove(self, grant: Grant, webhook_id: int) -> Webhook:
        """Remove a webhook for good, with what was not delivered yet. Raises PfnError as ``get`` does."""
        now = int(self._clock())
        async with self._database.write() as connection:
            before = await self._hold_own(connection, grant, webhook_id)
            state = WebhookState(WEBHOOK_LIFE_CYCLE.next(before.state, REMOVE))
            # Its row stays for the log's sake; keys that nobody knows take the place of those that were in use.
            after = replace(before, state=state, keys=WebhookKeys.generate(), old_keys=None, old_until=None)
            await put_webhook(connection, after)
            await drop_due(connection, str(webhook_id), [Work.DELIVER])
            await mark_notified(connection, await drop_undelivered(connection, webhook_id))
            await _tell(connection, grant, after, now, "webhook_removed", "was removed")
        return after

    async def list_deliveries(
        self,
        grant: Grant,
        webhook_id: int,
        *,
        limit: int = 50,
        before: int | None = None,
        state: DeliveryState | None = None,
    ) -> DeliveryPage:
        """Give a page of its log, newest first. Raises PfnError as ``get`` does."""
        await self.get(grant, webhook_id)
        return await self._deliveries.list(webhook_id, limit=limit, before=before, state=state)

    async def redeliver(self, grant: Grant, webhook_id: int, *, delivery_id: int | None = None, since: int = 0) -> int:
        """Send one delivery again, or all that failed ``since``; tell how many.

        Raises PfnError as ``get`` does, ``delivery_unknown``, ``wrong_state``.
        """
        await self.get(grant, webhook_id)
        return await self._deliveries.redeliver(webhook_id, grant.key_id, delivery_id=delivery_id, since=since)

    async def test(self, grant: Grant, webhook_id: int) -> Delivery:
        """Send a test message now and tell how it went. Raises PfnError as ``get`` does."""
        return await self._deliveries.ping((await self.get(grant, webhook_id)).webhook)

    async def _hold_own(self, connection: AsyncConnection, grant: Grant, webhook_id: int) -> Webhook:
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        return _require_own(grant, webhook_id, await hold_webhook(connection, webhook_id))

    async def _fulfil(self, connection: AsyncConnection, grant: Grant, webhook: Webhook, wish: Wish) -> Webhook:
        if wish.everything and not grant.is_operator:
            raise PfnError(Code.SCOPE_MISSING, "Only an operator's webhook may be told everything.")
        if wish.url is not None and (url := self._check_url(grant, wish.url)) != webhook.url:
            webhook = replace(webhook, url=url, failing_since=None, rest_until=None)
        if wish.description is not None:
            webhook = replace(webhook, description=wish.description)
        if wish.kinds is not None:
            webhook = replace(webhook, kinds=tuple(dict.fromkeys(wish.kinds)))
        if wish.sources is not None:
            for source_id in wish.sources:
                if await get_source(connection, source_id) is None:
                    raise PfnError(Code.SOURCE_UNKNOWN, f"There is no source {source_id!r}; see: pfn source list")
            webhook = replace(webhook, sources=tuple(dict.fromkeys(wish.sources)))
        return webhook if wish.everything is None else replace(webhook, everything=wish.everything)

    def _check_url(self, grant: Grant, url: str) -> str:
        target = check_url(url, self._policy)
        # What an operator opened may lie inside his network: for publishers he trusts, not for every key holder.
        if target.host in self._policy.allowed_hosts and not grant.is_operator:
            raise PfnError(Code.INVALID_URL, "The URL cannot be used: only an operator may have messages sent there.")
        return target.url


def _may_see(grant: Grant, webhook: Webhook) -> bool:
    # A subscriber's key may have an operator for its owner; it must not lead that one's messages elsewhere.
    return grant.is_operator or (webhook.owner == grant.owner and not webhook.everything)


def _require_own(grant: Grant, webhook_id: int, webhook: Webhook | None) -> Webhook:
    if webhook is None or not _may_see(grant, webhook) or webhook.state is WebhookState.REMOVED:
        raise PfnError(Code.WEBHOOK_UNKNOWN, f"No webhook of yours has the id {webhook_id}; see: pfn webhook list")
    return webhook


async def _tell(connection: AsyncConnection, grant: Grant, webhook: Webhook, now: int, action: str, done: str) -> None:
    await add_activities(connection, [webhook_event(webhook, now, action, done, actor=grant.key_id)])
