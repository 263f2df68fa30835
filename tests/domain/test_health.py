"""Health: states that change slowly, hours that add up, and the laws both keep."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.health import (
    LIFE_CYCLE,
    Health,
    HealthHour,
    HealthState,
    Probe,
    add_to_hour,
    average,
    observe,
    percentile,
    share_answered,
    sum_up_days,
)
from pfn.domain.trust import DAY, HOUR, Observation, thin

GOOD, SLOW, SLOWEST = Probe(80), Probe(2_001), Probe(9_000)
FAILED = Probe(None, "source_unreachable", "It cannot be reached.")
PROBES = {"g": GOOD, "s": SLOW, "S": SLOWEST, "f": FAILED}

probes = st.lists(st.sampled_from(list(PROBES.values())), max_size=40)


def follow(seen, health: Health | None = None, start: int = 0) -> list[Health]:
    """The health after each probe; one comes every minute."""
    found = []
    for minute, probe in enumerate(seen, start=start):
        health = observe(health, probe, minute * 60)
        found.append(health)
    return found


def spell(seen: list[Health]) -> str:
    return "".join({"healthy": "h", "degraded": "d", "down": "X"}[one.state] for one in seen)


@pytest.mark.parametrize(
    ("seen", "states"),
    [
        ("gggg", "hhhh"),
        # One bad probe among good ones is no news; two in a row are.
        ("ggfgg", "hhhhh"),
        ("ggsgfg", "hhhhhh"),
        ("ggffg", "hhhdd"),
        ("ggssgg", "hhhddh"),
        ("ggsfgg", "hhhddh"),
        ("gfs", "hhd"),
        # Down is who fails three times in a row, however it began.
        ("ggfff", "hhhdX"),
        ("ggsfff", "hhhddX"),
        ("ggffsff", "hhhdddd"),
        # Slow for ever is degraded for ever: it answers.
        ("gssssSSSS", "hhddddddd"),
        # Back only after two; two answers that are not both good lead half the way.
        ("fffgg", "ddXXh"),
        ("fffgfgg", "ddXXXXh"),
        ("fffgs", "ddXXd"),
        ("fffss", "ddXXd"),
        ("fffsgg", "ddXXdh"),
        # Nothing speaks for who fails the very first probe.
        ("f", "d"),
        ("s", "d"),
        ("fg", "dd"),
        ("fgg", "ddh"),
    ],
)
def test_states(seen: str, states: str):
    assert spell(follow([PROBES[one] for one in seen])) == states


@given(probes, st.sampled_from(["gf", "gs", "gS", "fs", "fS"]), st.integers(2, 30))
def test_alternating_probes_never_flap(before, pair, times):
    """After it has settled on the first few, no state changes any more."""
    first = follow(before)
    after = follow([PROBES[one] for one in pair * times], first[-1] if first else None, len(before))
    settled = [one.state for one in after[4:]]
    assert len(set(settled)) <= 1


@given(probes, st.integers(2, 10))
def test_good_probes_always_end_healthy(before, times):
    assert follow([*before, *[GOOD] * times])[-1].state is HealthState.HEALTHY


@given(probes, st.integers(3, 10))
def test_failures_always_end_down(before, times):
    assert follow([*before, *[FAILED] * times])[-1].state is HealthState.DOWN


@given(probes)
def test_who_never_fails_thrice_in_a_row_is_never_down(seen):
    states = follow(seen)
    row = 0
    for probe, health in zip(seen, states, strict=True):
        row = 0 if probe.answered else row + 1
        if health.state is HealthState.DOWN and row < 3:
            # Then it was so already, and has not answered twice since.
            assert states[states.index(health) - 1].state is HealthState.DOWN


@given(probes)
def test_every_change_is_one_of_the_table_and_dated(seen):
    before: Health | None = None
    for health in follow(seen):
        was = before or Health(HealthState.HEALTHY, since=0, checked_at=0)
        if health.state is not was.state:
            LIFE_CYCLE.check(was.state, health.state)
            assert health.since == health.checked_at
        elif before:
            assert health.since == before.since
        before = health


@given(probes.filter(bool))
def test_what_is_kept_of_the_last_probe_and_the_last_error(seen):
    last = follow(seen)[-1]
    failures = [minute * 60 for minute, probe in enumerate(seen) if not probe.answered]
    answers = [minute * 60 for minute, probe in enumerate(seen) if probe.answered]
    assert last.response_ms == seen[-1].response_ms
    assert last.last_seen == (answers[-1] if answers else None)
    assert last.last_error_at == (failures[-1] if failures else None)
    assert (last.last_code, last.last_error) == ((FAILED.code, FAILED.error) if failures else (None, None))


class TestHours:
    @given(probes)
    def test_an_hour_counts_what_the_schedule_saw(self, seen):
        hour = HealthHour(7)
        for probe in seen:
            hour = add_to_hour(hour, probe)
        assert hour.probes == len(seen)
        assert hour.failed == sum(not probe.answered for probe in seen)
        assert hour.worst == min((probe.grade for probe in seen), default=1)
        assert list(hour.times) == [probe.response_ms for probe in seen if probe.answered][-60:]
        assert hour.triggered is False

    def test_no_more_times_are_kept_than_sixty_the_newest(self):
        hour = HealthHour(7)
        for time in range(100):
            hour = add_to_hour(hour, Probe(time))
        assert hour.times == tuple(range(40, 100))
        assert hour.probes == 100

    @given(probes, st.sampled_from(list(PROBES.values())))
    def test_what_a_caller_triggers_can_only_lower(self, seen, asked):
        hour = HealthHour(7)
        for probe in seen:
            hour = add_to_hour(hour, probe)
        after = add_to_hour(hour, replace(asked, triggered=True))
        assert after.worst <= hour.worst
        assert after.triggered is (asked is not GOOD and not seen)
        assert (after == hour) is (asked.grade >= hour.worst and asked.answered)
        if seen:
            assert share_answered([after]) <= share_answered([hour])

    @given(st.lists(st.tuples(st.integers(0, 3 * HOUR), st.sampled_from(list(PROBES.values())), st.booleans())))
    def test_hours_are_to_trust_what_every_single_probe_is(self, seen):
        hours: dict[int, HealthHour] = {}
        for at, probe, triggered in seen:
            before = hours.get(at // HOUR, HealthHour(at // HOUR))
            after = add_to_hour(before, replace(probe, triggered=triggered))
            if after != before:
                hours[after.hour] = after
        by_hour = [Observation(hour.at, hour.worst, hour.triggered) for hour in hours.values()]
        one_by_one = [Observation(at, probe.grade, triggered) for at, probe, triggered in seen]
        assert thin(by_hour, HOUR) == thin(one_by_one, HOUR)

    def test_one_scheduled_probe_makes_the_hour_the_schedules(self):
        hour = add_to_hour(HealthHour(7), replace(FAILED, triggered=True))
        assert hour.triggered
        assert not add_to_hour(hour, GOOD).triggered
        assert add_to_hour(hour, GOOD).worst == 0


class TestNumbers:
    @pytest.mark.parametrize(
        ("hours", "share"),
        [
            ([], None),
            ([HealthHour(1)], None),
            ([HealthHour(1, probes=4, failed=1)], 0.75),
            ([HealthHour(1, probes=6), HealthHour(2, probes=2, failed=2)], 0.75),
        ],
    )
    def test_uptime_is_the_share_of_probes_answered(self, hours, share):
        assert share_answered(hours) == share

    @pytest.mark.parametrize(
        ("times", "p95"),
        [([], None), ([7], 7), (list(range(1, 101)), 95), (list(range(100, 0, -1)), 95), ([1] * 19 + [9], 1)],
    )
    def test_the_95th_percentile(self, times, p95):
        assert percentile(times, 0.95) == p95

    @given(st.lists(st.integers(0, 10_000), min_size=1), st.floats(0.01, 1))
    def test_a_percentile_is_a_time_that_was_measured_and_enough_are_within(self, times, share):
        found = percentile(times, share)
        assert found in times
        assert sum(time <= found for time in times) >= share * len(times)

    def test_average(self):
        assert average([]) is None
        assert average([1, 2]) == 2

    def test_days_are_whole_oldest_first_and_none_is_left_out(self):
        now = 100 * DAY + 5 * HOUR
        hours = [
            HealthHour(24 * 97 + 23, probes=9),  # the day before the first
            HealthHour(24 * 98, probes=6, failed=3, times=(10, 20, 30)),
            HealthHour(24 * 98 + 23, probes=2, failed=2),
            HealthHour(24 * 100 + 5, probes=1, times=(7,)),
        ]
        days = sum_up_days(hours, now, 3)
        assert [day.at for day in days] == [98 * DAY, 99 * DAY, 100 * DAY]
        assert [day.share for day in days] == [3 / 8, None, 1]
        assert [day.average_ms for day in days] == [20, None, 7]
        assert [day.probes for day in days] == [8, 0, 1]
