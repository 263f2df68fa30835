"""Subscriptions: make, change, preview, list, end.

Subscribing mirrors at once what the filters take (the seed's sync process); a change makes the next sync due at once.
What a subscription no longer wants stays mirrored: another may want it, and what a site has installed needs its source.
Who subscribes to what is nobody else's business, so these events are private.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.access import Grant, Scope
from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.schedule import Work
from pfn.domain.source import Source, SourceStatus
from pfn.domain.subscription import Filters, Skip, Subscription
from pfn.domain.sync import Listing, Wishes
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.services.clock import Clock
from pfn.services.schedule import ScheduleService, host_of
from pfn.services.sync import SyncOutcome, SyncService, require_verified
from pfn.services.verification import require_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.release import known_releases
from pfn.storage.source import get_source
from pfn.storage.subscription import (
    change_filters,
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


@dataclass(frozen=True, slots=True)
class Judged:
    """A listed plugin, every reason not to take it, and whether this version is mirrored already."""

    listing: Listing
    skips: Sequence[Skip]
    mirrored: bool

    @property
    def taken(self) -> bool:
        """Whether the filters take it."""
        return not self.skips


@dataclass(frozen=True, slots=True)
class Preview:
    """What filters would make of what a source lists now."""

    source: Source
    filters: Filters
    plugins: Sequence[Judged]

    @property
    def taken(self) -> int:
        """How many plugins the filters take."""
        return sum(plugin.taken for plugin in self.plugins)


@dataclass(frozen=True, slots=True)
class SubscriptionPage:
    """Some subscriptions, newest first, and the cursor of the next page."""

    subscriptions: Sequence[Subscription]
    next: int | None


class SubscriptionService:
    """Owns subscriptions."""

    def __init__(
        self,
        database: Database,
        syncs: SyncService,
        schedule: ScheduleService,
        clock: Clock,
        *,
        allow_unsigned: bool,
    ) -> None:
        self._database = database
        self._syncs = syncs
        self._schedule = schedule
        self._clock = clock
        self._allow_unsigned = allow_unsigned

    async def subscribe(self, grant: Grant, source_id: str, filters: Filters) -> Subscribed:
        """Subscribe the key's owner to a verified source, or change its filters, and sync.

        The subscription stands even where the sync fails: the wish outlives an outage.
        Raises PfnError: ``scope_missing``, ``source_unknown``, ``source_suspended``, ``source_not_verified``.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        source = require_verified(await require_source(self._database, source_id))
        now = int(self._clock())
        async with self._database.write() as connection:
            living = await list_subscriptions(connection, source_id=source_id, subscriber=grant.owner)
            subscription_id = await put_subscription(connection, source_id, grant.owner, filters, now)
            subscription = await get_subscription(connection, subscription_id)
            assert subscription is not None  # it was put in this transaction
            await self._sync_soon(connection, source, now)
            if not living:
                sentence = f"{grant.owner} subscribed to {source_id}: {filters.describe()}."
                await add_activities(connection, [_event("subscribed", sentence, source, subscription, grant, now)])
            elif living[0].filters != filters:
                await add_activities(connection, [_change_event(source, subscription, grant, now)])
        outcome = await self._syncs.run_now(source_id)
        return Subscribed(subscription, await require_source(self._database, source_id), outcome)

    async def preview(self, grant: Grant, source_id: str, filters: Filters) -> Preview:
        """Tell what the filters would take of what a verified source listed when it was last heard.

        Nothing is mirrored and no wish changes; a source that was never heard is asked what it lists.
        Raises PfnError: ``scope_missing``, ``source_unknown``, ``source_suspended``, ``source_not_verified``, or what
        the publisher did wrong.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        listings = await self._syncs.list_offer(source_id)
        source = await require_source(self._database, source_id)
        async with self._database.read() as connection:
            mirrored = await known_releases(connection, source_id)
        allow_unsigned = self._allow_unsigned if source.allow_unsigned is None else source.allow_unsigned
        wishes = Wishes((filters,), source.username, source.trust_score, allow_unsigned)
        now = self._clock()
        plugins = [
            Judged(listing, filters.judge(wishes.describe(listing), now), (listing.slug, listing.version) in mirrored)
            for listing in listings
        ]
        return Preview(source, filters, plugins)

    async def list(self, grant: Grant, *, source_id: str | None = None, ended: bool = False) -> Sequence[Subscription]:
        """Give subscriptions, newest first: an operator sees all, a subscriber its own."""
        subscriber = None if grant.is_operator else grant.owner
        async with self._database.read() as connection:
            return await list_subscriptions(connection, source_id=source_id, subscriber=subscriber, ended=ended)

    async def page(
        self,
        grant: Grant,
        *,
        source_id: str | None = None,
        own: bool = False,
        ended: bool = False,
        limit: int = 50,
        before: int | None = None,
    ) -> SubscriptionPage:
        """Give a page of what ``list`` gives; the caller's ``own`` alone, if so asked."""
        subscriber = grant.owner if own or not grant.is_operator else None
        async with self._database.read() as connection:
            found = await list_subscriptions(
                connection, source_id=source_id, subscriber=subscriber, ended=ended, limit=limit + 1, before=before
            )
        page = found[:limit]
        return SubscriptionPage(page, page[-1].id if len(found) > limit else None)

    async def get(self, grant: Grant, subscription_id: int) -> Subscription:
        """Give one, living or ended.

        Raises PfnError: ``scope_missing``; ``subscription_unknown``, also where it is somebody else's.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        async with self._database.read() as connection:
            return (await _require_own(connection, grant, subscription_id))[0]

    async def change(self, grant: Grant, subscription_id: int, filters: Filters) -> Subscription:
        """Change what a living subscription takes; its source is synced as soon as a worker is free.

        Raises PfnError: ``scope_missing``; ``subscription_unknown``, also where it is somebody else's;
        ``wrong_state`` where it has ended.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        now = int(self._clock())
        async with self._database.write() as connection:
            before, source = await _require_own(connection, grant, subscription_id)
            if not await change_filters(connection, subscription_id, filters):
                raise PfnError(Code.WRONG_STATE, f"The subscription {subscription_id} has ended; subscribe again.")
            changed = replace(before, filters=filters)
            await self._sync_soon(connection, source, now)
            if changed != before:
                await add_activities(connection, [_change_event(source, changed, grant, now)])
        return changed

    async def end(self, grant: Grant, subscription_id: int) -> Subscription:
        """End a subscription; what it brought stays mirrored. Ending twice changes nothing.

        Raises PfnError: ``scope_missing``; ``subscription_unknown``, also where it is somebody else's.
        """
        require(grant, Scope.SUBSCRIPTIONS_WRITE)
        now = int(self._clock())
        async with self._database.write() as connection:
            before, source = await _require_own(connection, grant, subscription_id)
            if not await end_subscriptions(connection, now, subscription_id=subscription_id):
                return before
            sentence = f"{before.subscriber} ended its subscription to {source.id}."
            await add_activities(connection, [_event("unsubscribed", sentence, source, before, grant, now)])
        return replace(before, ended_at=now)

    async def _sync_soon(self, connection: AsyncConnection, source: Source, now: int) -> None:
        if source.status is SourceStatus.VERIFIED:
            await self._schedule.put(connection, Work.SYNC, source.id, at=now, host=host_of(source))


async def _require_own(connection: AsyncConnection, grant: Grant, subscription_id: int) -> tuple[Subscription, Source]:
    subscription = await get_subscription(connection, subscription_id)
    if subscription is None or not (grant.is_operator or subscription.subscriber == grant.owner):
        raise PfnError(Code.SUBSCRIPTION_UNKNOWN, f"No subscription of yours has the id {subscription_id}.")
    source = await get_source(connection, subscription.source_id)
    assert source is not None  # a subscription's row holds on to its source's
    return subscription, source


def _change_event(source: Source, subscription: Subscription, grant: Grant, now: int) -> Activity:
    who = f"{subscription.subscriber} changed its subscription"
    if grant.owner != subscription.subscriber:
        who = f"{grant.owner} changed the subscription of {subscription.subscriber}"
    sentence = f"{who} to {source.id}: {subscription.filters.describe()}."
    return _event("subscription_changed", sentence, source, subscription, grant, now)


def _event(action: str, sentence: str, source: Source, subscription: Subscription, grant: Grant, now: int) -> Activity:
    details = describe(action, sentence, subscription_id=subscription.id, filters=subscription.filters.to_json())
    return source_event(source, now, details, actor=grant.key_id, private=True)
