"""Does due work in one process: claims what is due up to its free slots, runs it, drains when told to stop.

Looks once a second at most, and an idle look only reads. What a look finds is claimed by lease, so any number of
workers may share the rows. News for webhooks is noticed here too: events do not know who wants to hear of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import TypeAlias

import structlog

from pfn.domain.schedule import Due, Work, WorkStatus
from pfn.services.clock import Clock
from pfn.services.lease import Lease, LeaseService
from pfn.services.schedule import ScheduleService
from pfn.work.runner import Done, Handler, Runner

log = structlog.get_logger()

_LOOK_S = 1.0
# What ends within this time is followed by one claim, not by one each.
_GATHER_S = 0.02

_Task: TypeAlias = "asyncio.Task[Done | None]"


class Worker:
    """The worker of one process. ``has_news`` tells whether there are events that webhooks have not heard of."""

    def __init__(
        self,
        leases: LeaseService,
        schedule: ScheduleService,
        clock: Clock,
        do: Handler,
        has_news: Callable[[], Awaitable[bool]],
        *,
        concurrency: int,
    ) -> None:
        self._leases = leases
        self._schedule = schedule
        self._clock = clock
        self._has_news = has_news
        self._concurrency = concurrency
        self._runner = Runner(leases, schedule, do)
        self._woken = asyncio.Event()
        self._draining = False
        self._loop: asyncio.Task[None] | None = None
        self._tasks: set[_Task] = set()

    def start(self) -> None:
        """Begin to do what is due, until ``drain``."""
        self._loop = asyncio.create_task(self._serve(), name="worker")

    def wake(self) -> None:
        """Look at once: something may be due now."""
        self._woken.set()

    def status(self) -> WorkStatus:
        """Tell what it is doing and did since it began."""
        return self._runner.status()

    async def finish_due(self) -> Sequence[Done]:
        """Do what is due until nothing is that nobody else does, and tell what was done."""
        done: list[Done] = []
        running: set[_Task] = set()
        while not self._draining:
            running |= await self._take(await self._schedule.next_due_at())
            if not running:
                break
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            finished, running = await asyncio.wait(running, timeout=_GATHER_S)
            done += [ended for task in finished if not task.cancelled() and (ended := task.result()) is not None]
        return done

    def stop(self) -> None:
        """Claim nothing more; what runs goes on."""
        self._draining = True
        self.wake()

    async def drain(self, seconds: float) -> None:
        """Stop, wait a while for what runs, then cancel what is left; it gives its leases back."""
        self.stop()
        if self._loop is not None:
            await self._loop
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        left = list(self._tasks)
        if left:
            log.info("work_cancelled", count=len(left))
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _serve(self) -> None:
        while not self._draining:
            self._woken.clear()
            pause = _LOOK_S
            try:
                next_at = await self._schedule.next_due_at()
                if await self._take(next_at):
                    continue
                pause = self._pause(next_at)
            except Exception as error:  # noqa: BLE001  # a database that is away for a moment comes back
                log.warning("work_not_claimed", error=str(error))
            with suppress(TimeoutError):
                # Not `wait_for`: in Python 3.11 it can swallow a cancellation.
                async with asyncio.timeout(pause):
                    await self._woken.wait()
            if self._tasks:
                await asyncio.sleep(_GATHER_S)

    async def _take(self, next_at: int | None) -> set[_Task]:
        """Claim and begin what is due, as far as there are free slots."""
        begun: set[_Task] = set()
        if self._free and (news := await self._claim_news()) is not None:
            begun.add(self._begin(news))
        if self._free and next_at is not None and next_at <= self._clock():
            for lease in await self._leases.claim_due(self._free):
                if lease.due.owner is not None:
                    log.warning("work_taken_over", work=lease.due.kind.value, subject=lease.due.subject)
                begun.add(self._begin(lease))
        return begun

    @property
    def _free(self) -> int:
        return self._concurrency - len(self._tasks)

    async def _claim_news(self) -> Lease | None:
        """Claim the fanning out of events where there are any, unless it is under way or failed a moment ago."""
        try:
            if not await self._has_news() or self._must_wait(await self._schedule.find(Work.NOTIFY)):
                return None
        except Exception:  # the rest of the work is due all the same
            log.exception("news_not_read")
            return None
        return await self._leases.claim(Work.NOTIFY, "")

    def _must_wait(self, due: Due | None) -> bool:
        now = self._clock()
        return due is not None and (due.is_leased(now) or (due.failures > 0 and due.due_at > now))

    def _pause(self, next_at: int | None) -> float:
        """Give how long to sleep, in seconds. What is due but cannot be claimed now is no reason to look sooner."""
        wait = _LOOK_S if next_at is None else next_at - self._clock()
        return min(wait, _LOOK_S) if wait > 0 else _LOOK_S

    def _begin(self, lease: Lease) -> _Task:
        due = lease.due
        task = asyncio.create_task(self._run(lease), name=f"{due.kind.value} {due.subject}")
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return task

    def _end(self, task: _Task) -> None:
        self._tasks.discard(task)
        self.wake()

    async def _run(self, lease: Lease) -> Done | None:
        try:
            return await self._runner.run(lease)
        except Exception:
            # Its end could not be written. The lease runs out, and the work is done again.
            log.exception("work_not_ended", work=lease.due.kind.value, subject=lease.due.subject)
            return None
