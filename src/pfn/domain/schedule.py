"""Due work: what kinds there are, how often each comes round, who may do it now.

Answers for the life of a due row and for when it is due next: sooner after a change, later when all is quiet, with
exponential back-off after failures, never before a publisher asked to be left alone, and always with jitter, so that
a thousand sources registered in one minute do not stay in step. Does not store rows, do the work or read a clock.

A lease makes two workers never do one thing twice: who claims a row writes a token of its own into it and keeps it
alive with heartbeats. A row whose lease ran out belongs to nobody and may be claimed again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

from pfn.domain.life_cycle import LifeCycle, Transition

_JITTER = 0.1
_SOONER, _LATER = 0.5, 1.5
_LONGEST_ASKED_S = 7 * 86_400


class Work(StrEnum):
    """A kind of work. Its subject is a source's, webhook's or peer's id, or nothing where it is the node's own."""

    SYNC = "sync"
    PROBE = "probe"
    VERIFY = "verify"
    RECHECK = "recheck"
    NOTIFY = "notify"
    DELIVER = "deliver"
    TIDY = "tidy"
    COLLECT = "collect"
    SCRUB = "scrub"
    PEER = "peer"
    WITNESS = "witness"


class Result(StrEnum):
    """How a run ended, as far as the next one is concerned."""

    CHANGED = "changed"
    UNCHANGED = "unchanged"
    FAILED = "failed"


LIFE_CYCLE = LifeCycle(
    name="due row",
    initial="waiting",
    transitions=(
        Transition("waiting", "leased", "a worker claims it when it is due"),
        Transition("leased", "leased", "heartbeat"),
        Transition("leased", "waiting", "done, or failed: the next time is planned"),
        Transition("leased", "waiting", "the worker drains and gives it back"),
        Transition("leased", "abandoned", "no heartbeat until the lease ended"),
        Transition("abandoned", "leased", "another worker claims it at once"),
    ),
)


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a kind of work comes round, in seconds: at first, at the soonest, at the latest, after failures."""

    first: int
    soonest: int
    latest: int
    retry: int
    longest_retry: int

    @classmethod
    def steady(cls, every: int) -> "Pace":
        """Come round at one interval whatever happens; a failure is tried again after a quarter of it."""
        return cls(every, every, every, max(1, every // 4), every)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run says about the next one. ``wait`` is how many seconds the other side asked to be left alone."""

    result: Result
    wait: int | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class Due:
    """One row of ``schedule``. Times are Unix seconds; ``owner`` is the token of the lease, ``host`` whom it asks.

    ``again_at`` is when somebody wants it done again who said so while it was under way.
    """

    kind: Work
    subject: str
    host: str
    due_at: int
    interval_s: int
    failures: int = 0
    owner: str | None = None
    lease_until: int | None = None
    ran_at: int | None = None
    again_at: int | None = None
    outcome: str | None = None

    def is_leased(self, now: float) -> bool:
        """Tell whether a living lease holds it."""
        return self.owner is not None and self.lease_until is not None and self.lease_until > now


@dataclass(frozen=True, slots=True)
class Next:
    """When a row is due next, at which interval, and how many failures in a row there were."""

    due_at: int
    interval_s: int
    failures: int


@dataclass(frozen=True, slots=True)
class WorkStatus:
    """What a process is doing now and did since it began, by kind of work; kinds without any are left out."""

    running: Mapping[Work, int]
    runs: Mapping[Work, int]
    failures: Mapping[Work, int]


def plan_next(due: Due, pace: Pace, outcome: Outcome, now: float, dice: float) -> Next:
    """Plan the next run after one that ended ``now``; ``dice`` lies between 0 and 1 and makes the jitter.

    What the other side asked for (``Retry-After``, ``max-age``) is heeded up to a week, also beyond ``latest``.
    """
    interval, failures = due.interval_s, 0
    if outcome.result is Result.FAILED:
        failures = due.failures + 1
        wait = min(pace.retry << min(failures - 1, 20), pace.longest_retry)
    else:
        factor = _SOONER if outcome.result is Result.CHANGED else _LATER
        interval = wait = min(max(ceil(interval * factor), pace.soonest), pace.latest)
    if outcome.wait is not None:
        wait = max(wait, min(outcome.wait, _LONGEST_ASKED_S))
    return Next(int(now) + spread(wait, dice), interval, failures)


def spread(seconds: int, dice: float) -> int:
    """Lengthen a time by up to a tenth, by the throw of ``dice``; never shorten it, for somebody may have asked."""
    return seconds + int(seconds * _JITTER * dice)


def slow_down(pace: Pace, trust: float) -> Pace:
    """Give the pace for a source of this trust: at 0 it is asked half as often as at 1 (facts: trust score)."""
    factor = 2 - min(max(trust, 0.0), 1.0)
    return Pace(
        int(pace.first * factor), int(pace.soonest * factor), int(pace.latest * factor), pace.retry, pace.longest_retry
    )
