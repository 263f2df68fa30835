"""How a source fares: healthy, degraded or down, told from probes, and how much of a time it answered.

Answers for the state and for what an hour of probes leaves behind. A probe is good (answered within two seconds, as
``pfn.domain.trust`` grades it), slow (answered later) or failed; slow and failed ones are bad. Whether a source proved
anything is not asked here: down is who does not answer, whatever the worth of the answers before.

A state changes only after several probes in a row that say the same:

* Degraded after two bad ones. One lost packet or a server that restarts is no news; the next probe comes after two
  minutes, and whoever is bad for that long is.
* Down after three failed ones. By back-off they span six minutes, more than an update of a site takes.
* Back only after two: two good ones make it healthy, two answers that were not both good lead from down to degraded.
  Who answers every other time is not well, and nobody wants to hear of it every ten minutes.

So probes that alternate change nothing, whatever the state. Before its first probe a source has no state at all, and
nothing speaks for one whose very first probe is bad: it is degraded at once.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import ceil

from pfn.domain.life_cycle import LifeCycle, Transition
from pfn.domain.trust import DAY, HOUR, grade_response

KEEP_DAYS = 40
"""How long hours are kept: a chart shows 30 days, and in trust what is older weighs two hundredths or less."""

_MOST_TIMES = 60
_BACK, _DOWN = 2, 3


class HealthState(StrEnum):
    """How a source answers."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    DOWN = "down"


LIFE_CYCLE = LifeCycle(
    name="source's health",
    initial=HealthState.HEALTHY,
    states=tuple(HealthState),
    transitions=(
        Transition("healthy", "degraded", "two bad probes in a row"),
        Transition("degraded", "healthy", "two good probes in a row"),
        Transition("degraded", "down", "three failed probes in a row"),
        Transition("down", "degraded", "two answers in a row, not both good"),
        Transition("down", "healthy", "two good probes in a row"),
    ),
)


@dataclass(frozen=True, slots=True)
class Probe:
    """How a source answered once: in ``response_ms``, or, where that is None, not; then ``code`` and ``error`` say why.

    ``triggered`` says that a caller asked for it; the node's own schedule did not.
    """

    response_ms: int | None
    code: str | None = None
    error: str | None = None
    triggered: bool = False

    @property
    def answered(self) -> bool:
        """Whether a usable answer came."""
        return self.response_ms is not None

    @property
    def grade(self) -> float:
        """What it is worth, from 0 to 1."""
        return grade_response(self.answered, self.response_ms or 0)


@dataclass(frozen=True, slots=True)
class Health:
    """One row of ``health``. Times are Unix seconds.

    ``good_row`` counts the good probes in a row up to now, ``bad_row`` the failed ones; ``response_ms`` is the last
    probe's, ``last_seen`` when an answer came last.
    """

    state: HealthState
    since: int
    checked_at: int
    good_row: int = 0
    bad_row: int = 0
    last_seen: int | None = None
    response_ms: int | None = None
    last_code: str | None = None
    last_error: str | None = None
    last_error_at: int | None = None


@dataclass(frozen=True, slots=True)
class HealthHour:
    """One row of ``health_hours``: ``hour`` since the Unix epoch, ``worst`` the lowest grade, ``times`` in ms.

    It is ``triggered`` where only callers asked.
    """

    hour: int
    probes: int = 0
    failed: int = 0
    worst: float = 1.0
    triggered: bool = False
    times: tuple[int, ...] = ()

    @property
    def at(self) -> int:
        """When it began, in Unix seconds."""
        return self.hour * HOUR


@dataclass(frozen=True, slots=True)
class HealthDay:
    """A day of a chart; ``at`` is its start in Unix seconds, ``average_ms`` None where nothing answered."""

    at: int
    probes: int
    failed: int
    average_ms: int | None

    @property
    def share(self) -> float | None:
        """Which share of the probes was answered; None where there were none."""
        return 1 - self.failed / self.probes if self.probes else None


def observe(health: Health | None, probe: Probe, now: int) -> Health:
    """Give the health after a probe that was made ``now``."""
    before = health or Health(HealthState.HEALTHY, since=now, checked_at=now)
    good_row = before.good_row + 1 if probe.grade == 1 else 0
    bad_row = 0 if probe.answered else before.bad_row + 1
    state = _judge(before, good_row, bad_row)
    after = replace(
        before,
        state=state,
        since=before.since if state is before.state else now,
        checked_at=now,
        good_row=good_row,
        bad_row=bad_row,
        response_ms=probe.response_ms,
    )
    if probe.answered:
        return replace(after, last_seen=now)
    return replace(after, last_code=probe.code, last_error=probe.error, last_error_at=now)


def _judge(before: Health, good_row: int, bad_row: int) -> HealthState:
    if good_row >= _BACK:
        return HealthState.HEALTHY
    if bad_row >= _DOWN:
        return HealthState.DOWN
    if before.state is HealthState.HEALTHY and good_row == before.good_row == 0:
        return HealthState.DEGRADED
    if before.state is HealthState.DOWN and bad_row == before.bad_row == 0:
        return HealthState.DEGRADED
    return before.state


def add_to_hour(kept: HealthHour, probe: Probe) -> HealthHour:
    """Count a probe in its hour. One that a caller triggered can only lower: an answer to it counts for no uptime."""
    triggered = probe.triggered and (kept.triggered or kept.probes == 0)
    if probe.triggered and probe.answered:
        return kept if probe.grade >= kept.worst else replace(kept, worst=probe.grade, triggered=triggered)
    times = kept.times if probe.response_ms is None else (*kept.times, probe.response_ms)
    return HealthHour(
        hour=kept.hour,
        probes=kept.probes + 1,
        failed=kept.failed + (not probe.answered),
        worst=min(kept.worst, probe.grade),
        triggered=triggered,
        times=times[-_MOST_TIMES:],
    )


def share_answered(hours: Iterable[HealthHour]) -> float | None:
    """Give the share of probes that were answered, from 0 to 1; None without any."""
    counted = [(hour.probes, hour.failed) for hour in hours]
    probes = sum(one for one, _ in counted)
    return 1 - sum(failed for _, failed in counted) / probes if probes else None


def percentile(times: Iterable[int], share: float) -> int | None:
    """Give the time within which ``share`` of the answers came (nearest rank); None without any."""
    ranked = sorted(times)
    return ranked[max(1, ceil(share * len(ranked))) - 1] if ranked else None


def average(times: Sequence[int]) -> int | None:
    """Give the mean time; None without any."""
    return round(sum(times) / len(times)) if times else None


def sum_up_days(hours: Iterable[HealthHour], now: float, days: int) -> tuple[HealthDay, ...]:
    """Sum hours up by day (UTC): the last ``days``, today included, oldest first, those without probes too."""
    today = int(now // DAY)
    found: dict[int, list[HealthHour]] = {day: [] for day in range(today - days + 1, today + 1)}
    for hour in hours:
        found.get(hour.at // DAY, []).append(hour)
    return tuple(
        HealthDay(
            at=day * DAY,
            probes=sum(hour.probes for hour in among),
            failed=sum(hour.failed for hour in among),
            average_ms=average([time for hour in among for time in hour.times]),
        )
        for day, among in found.items()
    )
