"""Subscriptions: make, list, end. Subscribing mirrors at once what the filters take (the seed's sync process)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pfn.domain.access import Grant, Scope
from pfn.domain.activity import describe, source_event
from pfn.domain.source import Source
from pfn.domain.subscription import Filters, Subscription
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.services.clock import Clock
from pfn.services.sync import SyncOutcome, SyncService, require_verified
from pfn.services.verification import require_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.source import get_source
from pfn.storage.subscription import (
    end_subscriptions,
    get_subscription,
    list_subscriptions,
    put_subscription,
)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """What subscribing did."""

    subscription: Subscription
    source: Source
    outcome: SyncOutcome


class SubscriptionService:
    """Owns subscriptions."""

    def __init__(self, database: Database, syncs: SyncService, clock: Clock) -> None:
        self._database = database
        self._syncs = syncs
        self._clock = clock

    async def subscribe(self, grant: Grant, source_id: str, filters: Filters) -> Subscribed:
        """Subscribe the key's owner to a verified source, or change its filters, and sync.

        The subscription stands even where the sync fails: the wish outlives an outage.
        Raises PfnError: ``scope_missing``, ``source_unknown``, ``source_suspended``, ``source_not_verified``.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        source = require_verified(await require_source(self._database, source_id))
        now = int(self._clock())
        async with self._database.write() as connection:
            subscription_id = await put_subscription(connection, source_id, grant.owner, filters, now)
            what = f" (tags: {', '.join(filters.tags)})" if filters.tags else ""
            sentence = f"{grant.owner} subscribed to {source_id}{what}."
            details = describe("subscribed", sentence, subscription_id=subscription_id)
            await add_activities(connection, [source_event(source, now, details, actor=grant.key_id)])
            subscription = await get_subscription(connection, subscription_id)
        assert subscription is not None  # it was put in this transaction
        outcome = await self._syncs.run(await self._syncs.begin(source_id))
        return Subscribed(subscription, await require_source(self._database, source_id), outcome)

    async def list(self, grant: Grant, *, source_id: str | None = None, ended: bool = False) -> Sequence[Subscription]:
        """Give subscriptions, newest first: an operator sees all, a subscriber its own."""
        subscriber = None if grant.is_operator else grant.owner
        async with self._database.read() as connection:
            return await list_subscriptions(connection, source_id=source_id, subscriber=subscriber, ended=ended)

    async def end(self, grant: Grant, subscription_id: int) -> Subscription:
        """End a subscription; what it brought stays mirrored. Ending twice changes nothing.

        Raises PfnError: ``scope_missing``; ``subscription_unknown``, also where it is somebody else's.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        now = int(self._clock())
        async with self._database.write() as connection:
            subscription = await get_subscription(connection, subscription_id)
            if subscription is None or not (grant.is_operator or subscription.subscriber == grant.owner):
                raise PfnError(Code.SUBSCRIPTION_UNKNOWN, f"No subscription of yours has the id {subscription_id}.")
            source = await get_source(connection, subscription.source_id)
            if subscription.ended_at is None and source is not None:
                await end_subscriptions(connection, now, subscription_id=subscription_id)
                sentence = f"{subscription.subscriber} ended its subscription to {source.id}."
                details = describe("unsubscribed", sentence, subscription_id=subscription_id)
                await add_activities(connection, [source_event(source, now, details, actor=grant.key_id)])
            ended = await get_subscription(connection, subscription_id)
        assert ended is not None  # it was read in this transaction
        return ended
