"""Housekeeping: forget what is old enough, in small transactions, and bring every trust score up to date.

What is kept for ever: sources, releases and the bytes, statements, evidence. What trust counts has to be kept as long
as it counts; the settings' defaults do.
"""

from collections.abc import Awaitable
from typing import Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.health import KEEP_DAYS
from pfn.domain.schedule import Outcome, Result
from pfn.domain.usage import KEEP_USAGE_DAYS
from pfn.services.clock import Clock
from pfn.services.session import IDLE_S, LIFE_S
from pfn.services.trust import refresh_all
from pfn.storage.access import end_stale_sessions
from pfn.storage.database import Database
from pfn.storage.health import forget_hours
from pfn.storage.history import forget_deliveries, forget_events, forget_syncs, forget_verifications
from pfn.storage.trust_day import forget_trust_days
from pfn.storage.usage import roll_up_usage

KEEP_TRUST_DAYS = 400
"""How long a source's trust is kept by day: a year and a little more."""
_BATCH = 500
_HOUR, _DAY = 3600, 86_400


class _Forget(Protocol):
    def __call__(self, connection: AsyncConnection, /, *, before: int, limit: int) -> Awaitable[int]: ...


class HousekeepingService:
    """Tidies up; 0 days keep events for ever."""

    def __init__(self, database: Database, clock: Clock, *, events_keep_days: int, history_keep_days: int) -> None:
        self._database = database
        self._clock = clock
        self._events_keep_days = events_keep_days
        self._history_keep_days = history_keep_days

    async def tidy(self) -> Outcome:
        """Forget what is old and refresh all trust; doing it again changes nothing."""
        now = int(self._clock())
        old = now - self._history_keep_days * _DAY
        gone = {
            # Before the events: a notice that nobody waits for any more holds none of them.
            "deliveries": await self._forget(forget_deliveries, old),
            "verifications": await self._forget(forget_verifications, old),
            "syncs": await self._forget(forget_syncs, old),
        }
        gone["days of use"] = await self._forget(roll_up_usage, now // _DAY - KEEP_USAGE_DAYS)
        if self._events_keep_days:
            gone["events"] = await self._forget(forget_events, now - self._events_keep_days * _DAY)
        async with self._database.write() as connection:
            gone["days of trust"] = await forget_trust_days(connection, now // _DAY - KEEP_TRUST_DAYS)
            gone["hours of health"] = await forget_hours(connection, (now - KEEP_DAYS * _DAY) // _HOUR)
            await end_stale_sessions(connection, seen_before=now - IDLE_S, made_before=now - LIFE_S)
        await refresh_all(self._database, now)
        said = ", ".join(f"{count} {what}" for what, count in gone.items() if count)
        return Outcome(Result.CHANGED if said else Result.UNCHANGED, detail=f"Forgot {said}." if said else None)

    async def _forget(self, forget: _Forget, before: int) -> int:
        total = 0
        while True:
            async with self._database.write() as connection:
                count = await forget(connection, before=before, limit=_BATCH)
            total += count
            if count < _BATCH:
                return total
