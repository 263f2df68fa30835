"""The schedule: which work is due for which source, and when it is due again.

A source's rows follow its status in the very transaction that changes it, so nothing is due that must not be done and
nothing is forgotten. Whoever ends a piece of work, a worker or a person's request, ends it here: the next time is then
planned the same way.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.schedule import Due, Outcome, Pace, Work, plan_next, slow_down, spread
from pfn.domain.source import Source, SourceStatus
from pfn.services.clock import Clock
from pfn.services.lease import Lease
from pfn.storage.database import Database
from pfn.storage.schedule import drop_due, end_lease, get_due, list_due, next_due_at, put_due
from pfn.storage.source import get_source, list_sources

_DAY = 86_400
SOURCE_WORK = (Work.VERIFY, Work.PROBE, Work.SYNC, Work.RECHECK)
_AT_ONCE = frozenset({Work.PROBE, Work.SYNC})
_BY_STATUS: Mapping[SourceStatus, tuple[Work, ...]] = {
    SourceStatus.PENDING: (Work.VERIFY, Work.PROBE),
    SourceStatus.ERROR: (Work.VERIFY, Work.PROBE),
    SourceStatus.VERIFIED: SOURCE_WORK,
    SourceStatus.SUSPENDED: (),
    SourceStatus.REMOVED: (),
}
# Polled by how far the source has earned trust; proofs and bytes are checked alike for all.
_PACED_BY_TRUST = frozenset({Work.SYNC, Work.PROBE})


def make_paces(*, sync: int, probe: int, verify: int, recheck: int, scrub: int) -> Mapping[Work, Pace]:
    """Give the pace of every kind of work from the settings' intervals, all in seconds."""
    return {
        Work.SYNC: Pace(sync, max(1, sync // 4), sync * 24, max(1, sync // 12), sync * 24),
        # While a publisher is away it is asked more often, so that its return is noticed soon.
        Work.PROBE: Pace(probe, probe, probe, max(1, probe // 5), probe),
        Work.VERIFY: Pace(verify, verify, verify, max(1, verify // 96), verify),
        Work.RECHECK: Pace.steady(recheck),
        # News is noticed as it comes; the row is there for what failed.
        Work.NOTIFY: Pace(3600, 3600, 86_400, 5, 60),
        # Each run says itself when the next delivery is due.
        Work.DELIVER: Pace(1, 1, 1, 60, 3600),
        Work.TIDY: Pace.steady(3600),
        Work.COLLECT: Pace.steady(86_400),
        Work.SCRUB: Pace.steady(scrub),
        Work.PEER: Pace(300, 30, 3600, 60, 3600),
        Work.WITNESS: Pace.steady(3600),
    }


class ScheduleService:
    """Keeps the schedule."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        paces: Mapping[Work, Pace],
        *,
        dice: Callable[[], float] = random.random,
    ) -> None:
        self._database = database
        self._clock = clock
        self._paces = paces
        self._dice = dice

    async def follow(self, connection: AsyncConnection, source: Source) -> None:
        """Bring a source's rows in line with its status, within the transaction that changed it."""
        wanted = _BY_STATUS[source.status]
        await drop_due(connection, source.id, set(SOURCE_WORK) - set(wanted))
        scheduled = {due.kind for due in await list_due(connection, subject=source.id)}
        now = int(self._clock())
        for kind in wanted:
            if kind not in scheduled:
                every = self._paces[kind].first
                at_once = kind in _AT_ONCE or (kind is Work.VERIFY and source.status is SourceStatus.PENDING)
                due_at = now if at_once else now + spread(every, self._dice())
                # A look at stored bytes asks nobody.
                host = "" if kind is Work.RECHECK else host_of(source)
                await put_due(connection, kind, source.id, due_at=due_at, interval_s=every, host=host)

    async def put(self, connection: AsyncConnection, kind: Work, subject: str = "", *, at: int, host: str = "") -> None:
        """Make something due at a time (Unix seconds), or earlier where it is due earlier already."""
        await put_due(connection, kind, subject, due_at=at, interval_s=self._paces[kind].first, host=host)

    async def fill(self) -> None:
        """Schedule what is missing: for a database of an earlier version, and the node's own work."""
        async with self._database.write() as connection:
            scheduled = {(due.kind, due.subject) for due in await list_due(connection)}
            for source in await list_sources(connection):
                if any((kind, source.id) not in scheduled for kind in _BY_STATUS[source.status]):
                    await self.follow(connection, source)
            now = int(self._clock())
            # A node that just started has better to do than what can wait for a day.
            for kind, at in ((Work.TIDY, now), (Work.COLLECT, now + _DAY), (Work.SCRUB, now + _DAY)):
                if (kind, "") not in scheduled:
                    await self.put(connection, kind, at=at)

    async def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """End a lease and plan the next run; tell whether it was still ours."""
        due = lease.due
        pace = self._paces[due.kind]
        # Like all of a lease, it need not outlast a power cut.
        async with self._database.write(lasting=False) as connection:
            if due.kind in _PACED_BY_TRUST:
                source = await get_source(connection, due.subject)
                if source is not None:
                    pace = slow_down(pace, source.trust_score)
            following = plan_next(due, pace, outcome, self._clock(), self._dice())
            said = outcome.detail or outcome.result.value
            return await end_lease(
                connection, due.kind, due.subject, token=lease.token, following=following, outcome=said
            )

    async def find(self, kind: Work, subject: str = "") -> Due | None:
        """Find one piece of work."""
        async with self._database.read() as connection:
            return await get_due(connection, kind, subject)

    async def list(self, subject: str | None = None, *, limit: int | None = None) -> Sequence[Due]:
        """Give what is scheduled, soonest first: for a source or webhook, or all of it."""
        async with self._database.read() as connection:
            return await list_due(connection, subject=subject, limit=limit)

    async def next_due_at(self) -> int | None:
        """Give when (Unix seconds) the next thing is due that nobody does now; None where there is none."""
        async with self._database.read() as connection:
            return await next_due_at(connection, self._clock())


def host_of(source: Source) -> str:
    """Give the host that work for a source asks: what is limited is how often a host is asked at a time."""
    return urlsplit(source.instance_url).netloc
