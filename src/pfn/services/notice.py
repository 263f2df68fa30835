"""Notices: from events to deliveries, each exactly once.

Reads the one history after a cursor, decides who is told of what, and writes the deliveries and the moved cursor in one
transaction: killed anywhere, it goes on where it was. Sending is ``pfn.services.delivery``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, ActivityType
from pfn.domain.delivery import Delivery, new_message_id, write_message
from pfn.domain.release import SignatureLevel
from pfn.domain.schedule import Outcome, Result
from pfn.domain.subscription import Candidate, Filters
from pfn.domain.webhook import Webhook, wanted_from
from pfn.services.clock import Clock
from pfn.services.delivery import put_due_delivery
from pfn.services.schedule import ScheduleService
from pfn.storage.activity import last_seq, read_activities
from pfn.storage.database import Database
from pfn.storage.delivery import add_deliveries
from pfn.storage.notice import (
    get_cursor,
    hold_cursor,
    list_candidates,
    list_tags,
    living_filters,
    mark_notified,
    move_cursor,
)
from pfn.storage.webhook import hold_active_webhooks

_CURSOR = "webhooks"
_BATCH = 100


@dataclass(frozen=True, slots=True)
class _Facts:
    """What deciding needs beside the events: the subscriptions of the owners, and the plugins as filters see them."""

    filters: Mapping[tuple[str, str], Filters]
    candidates: Mapping[int, Candidate]


class NoticeService:
    """Fans events out to webhooks."""

    def __init__(self, database: Database, schedule: ScheduleService, clock: Clock) -> None:
        self._database = database
        self._schedule = schedule
        self._clock = clock

    async def has_news(self) -> bool:
        """Tell whether there are events that were not fanned out; writes nothing."""
        async with self._database.read() as connection:
            return await get_cursor(connection, _CURSOR) < await last_seq(connection)

    async def notify(self) -> Outcome:
        """Fan out all there is, a batch in a transaction."""
        any_read = False
        while await self._fan_out():
            any_read = True
        return Outcome(Result.CHANGED if any_read else Result.UNCHANGED)

    async def _fan_out(self) -> bool:
        now = int(self._clock())
        async with self._database.write() as connection:
            seq = await hold_cursor(connection, _CURSOR)
            activities = await read_activities(connection, after=seq, limit=_BATCH)
            if not activities:
                return False
            webhooks = await hold_active_webhooks(connection)
            facts = await _gather_facts(connection, webhooks, activities)
            deliveries = [
                delivery
                for activity in activities
                for webhook in webhooks
                if (delivery := _address(webhook, activity, facts, now)) is not None
            ]
            await add_deliveries(connection, deliveries)
            await move_cursor(connection, _CURSOR, activities[-1].seq)
            await mark_notified(connection, [activity.seq for activity in activities])
            first_tries: dict[int, int] = {}
            for delivery in deliveries:
                at = now if delivery.next_try is None else delivery.next_try
                first_tries[delivery.webhook_id] = min(at, first_tries.get(delivery.webhook_id, at))
            for webhook in webhooks:
                if webhook.id in first_tries:
                    await put_due_delivery(self._schedule, connection, webhook, first_tries[webhook.id])
        return True


def _address(webhook: Webhook, activity: Activity, facts: _Facts, now: int) -> Delivery | None:
    """Make the delivery of an event for a webhook; None where it does not want it."""
    if not webhook.asks_for(activity):
        return None
    at: int | None = now
    if not webhook.everything:
        filters = facts.filters.get((webhook.owner, activity.source_id or ""))
        if filters is None:
            return None
        at = wanted_from(activity, filters, facts.candidates.get(activity.seq), now)
    if at is None:
        return None
    kind, body = write_message(activity)
    return Delivery(webhook.id, activity.seq, new_message_id(), kind, body, created_at=now, next_try=at)


async def _gather_facts(
    connection: AsyncConnection, webhooks: Sequence[Webhook], activities: Sequence[Activity]
) -> _Facts:
    owners = {webhook.owner for webhook in webhooks if not webhook.everything}
    of_sources = [activity for activity in activities if activity.source_id is not None]
    if not owners or not of_sources:
        return _Facts({}, {})
    filters = await living_filters(connection, owners, {one.source_id or "" for one in of_sources})
    keys = {one.seq: (one.source_id or "", one.plugin_id, one.new_version or "") for one in of_sources if one.plugin_id}
    releases = await list_candidates(connection, set(keys.values()))
    tags = await list_tags(connection, {key[:2] for key in keys.values()})
    candidates = {}
    for activity in of_sources:
        if activity.seq in keys:
            key = keys[activity.seq]
            known = releases.get(key) if activity.type is ActivityType.VERSION_UPDATE else None
            candidates[activity.seq] = known or _sketch(activity, key[1], tags.get(key[:2], ()))
    return _Facts(filters, candidates)


def _sketch(activity: Activity, slug: str, tags: tuple[str, ...]) -> Candidate:
    """Describe a plugin of which an event is no release that is here: by what filters say of plugins."""
    author = activity.source_username or ""
    return Candidate(slug, activity.new_version or "", tags, author, SignatureLevel.NONE, activity.timestamp, 0.0)
