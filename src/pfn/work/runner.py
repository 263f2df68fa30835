"""One piece of work from its lease to its outcome: kept alive, timed, logged, counted, ended.

Whatever goes wrong in it is an outcome, never an exception: an error of the closed list fails it with that error's
wait, anything else fails it too and is logged with its traceback. Work that another took over is not ended, for it is
no longer ours; work that is cancelled is given back as it was, and so is due still.
"""

import asyncio
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from structlog.contextvars import bound_contextvars

from pfn.domain.schedule import Outcome, Result, Work, WorkStatus
from pfn.protocol.errors import Code, PfnError
from pfn.services.lease import Lease, LeaseService
from pfn.services.schedule import ScheduleService
from pfn.tracing import span

log = structlog.get_logger()

Handler = Callable[[Lease], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Done:
    """A piece of work that ended, and how. ``seconds`` is how long it took."""

    kind: Work
    subject: str
    outcome: Outcome
    seconds: float

    def to_json(self) -> dict[str, object]:
        """Give it as ``pfn work --once --json`` prints it."""
        return {
            "kind": self.kind.value,
            "subject": self.subject,
            "result": self.outcome.result.value,
            "detail": self.outcome.detail,
            "seconds": round(self.seconds, 3),
        }


class Runner:
    """Runs leased work with ``do``."""

    def __init__(self, leases: LeaseService, schedule: ScheduleService, do: Handler) -> None:
        self._leases = leases
        self._schedule = schedule
        self._do = do
        self._running: Counter[Work] = Counter()
        self._runs: Counter[Work] = Counter()
        self._failures: Counter[Work] = Counter()

    def status(self) -> WorkStatus:
        """Give the counts as they are now."""
        return WorkStatus(+self._running, +self._runs, +self._failures)

    async def run(self, lease: Lease) -> Done | None:
        """Do the work of a lease and plan its next time; None where it was lost to another meanwhile."""
        kind, subject = lease.due.kind, lease.due.subject
        self._running[kind] += 1
        about = bound_contextvars(work=kind.value, subject=subject, run_id=secrets.token_hex(8))
        with span(f"work {kind.value}", {"pfn.subject": subject}), about:
            try:
                return await self._run(lease)
            except asyncio.CancelledError:
                await self._leases.end(lease)
                log.info("work_given_back")
                raise
            except PfnError as error:
                if error.code is not Code.LEASE_LOST:
                    raise
                log.warning("work_lost", error=error.detail)
                return None
            finally:
                self._running[kind] -= 1

    async def _run(self, lease: Lease) -> Done | None:
        log.debug("work_began")
        began = time.monotonic()
        async with self._leases.keep(lease):
            outcome = await self._judge(lease)
        done = Done(lease.due.kind, lease.due.subject, outcome, time.monotonic() - began)
        failed = outcome.result is Result.FAILED
        self._runs[done.kind] += 1
        self._failures[done.kind] += failed
        ours = await self._schedule.finish(lease, outcome)
        note = log.warning if failed else log.info
        note("work_ended", outcome=outcome.result.value, detail=outcome.detail, seconds=round(done.seconds, 3))
        # Unscheduled meanwhile, say: then there is nothing to plan.
        if not ours:
            log.info("work_not_planned_again")
        return done

    async def _judge(self, lease: Lease) -> Outcome:
        try:
            return await self._do(lease)
        except PfnError as error:
            if error.code is Code.LEASE_LOST:
                raise
            if error.internal is not None:
                log.info("work_failed", code=error.code.slug, internal=error.internal)
            return Outcome(Result.FAILED, error.retry_after, error.code.slug)
        except Exception:
            log.exception("work_failed")
            return Outcome(Result.FAILED, detail=Code.INTERNAL.slug)
