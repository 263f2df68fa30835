"""When work comes round again: sooner after a change, later when quiet, backing off after failures, never too early."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.schedule import Due, Next, Outcome, Pace, Result, Work, plan_next, slow_down, spread

WEEK = 7 * 86_400
PACE = Pace(first=3600, soonest=900, latest=86_400, retry=300, longest_retry=7200)


def due(interval_s: int = 3600, failures: int = 0) -> Due:
    return Due(Work.SYNC, "ann@one.example", "one.example", due_at=0, interval_s=interval_s, failures=failures)


paces = st.builds(
    lambda soonest, more, latest_more, retry, retry_more: Pace(
        soonest + more, soonest, soonest + more + latest_more, retry, retry + retry_more
    ),
    soonest=st.integers(1, 10_000),
    more=st.integers(0, 10_000),
    latest_more=st.integers(0, 100_000),
    retry=st.integers(1, 10_000),
    retry_more=st.integers(0, 100_000),
)
dues = st.builds(due, st.integers(0, 200_000), st.integers(0, 100))
outcomes = st.builds(Outcome, st.sampled_from(Result), st.none() | st.integers(-10, 4 * WEEK))
dice = st.floats(0, 1)
times = st.floats(0, 2**33)


@pytest.mark.parametrize(
    ("before", "outcome", "after"),
    [
        (due(3600), Outcome(Result.CHANGED), Next(1800, 1800, 0)),
        (due(3600), Outcome(Result.UNCHANGED), Next(5400, 5400, 0)),
        (due(1000), Outcome(Result.CHANGED), Next(900, 900, 0)),
        (due(80_000), Outcome(Result.UNCHANGED), Next(86_400, 86_400, 0)),
        # A row that nobody planned yet comes round at the soonest.
        (due(0), Outcome(Result.UNCHANGED), Next(900, 900, 0)),
        # Failures back off and leave the interval as it was; the first good run forgets them.
        (due(3600, 0), Outcome(Result.FAILED), Next(300, 3600, 1)),
        (due(3600, 1), Outcome(Result.FAILED), Next(600, 3600, 2)),
        (due(3600, 3), Outcome(Result.FAILED), Next(2400, 3600, 4)),
        (due(3600, 9), Outcome(Result.FAILED), Next(7200, 3600, 10)),
        (due(3600, 9), Outcome(Result.UNCHANGED), Next(5400, 5400, 0)),
        # Who asks for time gets it, up to a week; who asks for less than is usual gets what is usual.
        (due(3600), Outcome(Result.UNCHANGED, wait=50_000), Next(50_000, 5400, 0)),
        (due(3600), Outcome(Result.UNCHANGED, wait=60), Next(5400, 5400, 0)),
        (due(3600), Outcome(Result.FAILED, wait=100_000), Next(100_000, 3600, 1)),
        (due(3600), Outcome(Result.FAILED, wait=10**9), Next(WEEK, 3600, 1)),
    ],
)
def test_the_next_time_without_jitter(before: Due, outcome: Outcome, after: Next) -> None:
    assert plan_next(before, PACE, outcome, 0.9, 0.0) == after


@given(dues, paces, outcomes, times, dice)
def test_the_plan_stays_within_its_bounds(before: Due, pace: Pace, outcome: Outcome, now: float, thrown: float) -> None:
    following = plan_next(before, pace, outcome, now, thrown)
    wait = following.due_at - int(now)
    asked = max(0, outcome.wait or 0)
    assert wait >= min(asked, WEEK)
    most = pace.longest_retry if outcome.result is Result.FAILED else pace.latest
    assert wait <= max(most, min(asked, WEEK)) * 1.1
    if outcome.result is Result.FAILED:
        assert wait >= pace.retry
        assert (following.interval_s, following.failures) == (before.interval_s, before.failures + 1)
    else:
        assert pace.soonest <= following.interval_s <= min(pace.latest, wait)
        assert following.failures == 0


@given(dues, paces, times, dice)
def test_a_change_is_followed_sooner_than_quiet(before: Due, pace: Pace, now: float, thrown: float) -> None:
    changed = plan_next(before, pace, Outcome(Result.CHANGED), now, thrown)
    quiet = plan_next(before, pace, Outcome(Result.UNCHANGED), now, thrown)
    assert changed.due_at <= quiet.due_at
    assert changed.interval_s <= quiet.interval_s


@given(paces, st.integers(1, 60))
def test_back_off_doubles_to_its_cap(pace: Pace, times_failed: int) -> None:
    waits = [plan_next(due(60, n), pace, Outcome(Result.FAILED), 0, 0.0).due_at for n in range(times_failed)]
    assert waits[0] == pace.retry
    for before, after in pairwise(waits):
        assert after == min(before * 2, pace.longest_retry)


@given(paces)
def test_quiet_and_busy_settle_at_the_ends_of_the_pace(pace: Pace) -> None:
    for result, end in ((Result.UNCHANGED, pace.latest), (Result.CHANGED, pace.soonest)):
        row = due(pace.first)
        for _ in range(60):
            row = due(plan_next(row, pace, Outcome(result), 0, 0.0).interval_s)
        assert row.interval_s == end


@given(st.integers(0, 10**8), dice, dice)
def test_jitter_lengthens_by_a_tenth_at_most_and_grows_with_the_dice(seconds: int, one: float, other: float) -> None:
    assert spread(seconds, 0.0) == seconds
    assert seconds <= spread(seconds, one) <= seconds * 1.1
    if one <= other:
        assert spread(seconds, one) <= spread(seconds, other)


@given(paces, st.floats(-1, 2), st.floats(-1, 2))
def test_less_trusted_sources_are_asked_less_often(pace: Pace, one: float, other: float) -> None:
    trusted, distrusted = slow_down(pace, max(one, other)), slow_down(pace, min(one, other))
    assert pace.first <= trusted.first <= distrusted.first <= 2 * pace.first
    assert pace.soonest <= trusted.soonest <= distrusted.soonest <= 2 * pace.soonest
    assert pace.latest <= trusted.latest <= distrusted.latest <= 2 * pace.latest
    # A failure is tried again as soon for all.
    assert (trusted.retry, trusted.longest_retry) == (pace.retry, pace.longest_retry)


def test_full_trust_and_none() -> None:
    assert slow_down(PACE, 1.0) == PACE
    assert slow_down(PACE, 0.0) == Pace(7200, 1800, 172_800, 300, 7200)


@pytest.mark.parametrize(
    ("owner", "until", "leased"), [(None, None, False), ("a", 10, False), ("a", 11, True), (None, 11, False)]
)
def test_a_lease_holds_until_its_end(owner: str | None, until: int | None, leased: bool) -> None:
    row = Due(Work.TIDY, "", "", 0, 60, owner=owner, lease_until=until)
    assert row.is_leased(10) is leased


def test_a_steady_pace_is_steady() -> None:
    pace = Pace.steady(3600)
    for result in (Result.CHANGED, Result.UNCHANGED):
        assert plan_next(due(3600), pace, Outcome(result), 0, 0.0) == Next(3600, 3600, 0)
    assert plan_next(due(3600), pace, Outcome(Result.FAILED), 0, 0.0).due_at == 900
