"""Wrong keys by caller, on a clock the test holds."""

import pytest

from pfn.protocol.errors import Code, PfnError
from pfn.services.bad_keys import MOST_CALLERS, PERIOD_S, BadKeys


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_share_is_per_caller_and_comes_back_with_time() -> None:
    clock = Time()
    bad_keys = BadKeys(clock, 2)
    bad_keys.note("a")
    clock.now += 10
    bad_keys.note("a")
    bad_keys.note("b")
    with pytest.raises(PfnError) as caught:
        bad_keys.note("a")
    assert caught.value.code is Code.TOO_MANY_REQUESTS
    assert caught.value.retry_after == PERIOD_S - 10 + 1
    clock.now += caught.value.retry_after
    bad_keys.note("a")
    with pytest.raises(PfnError):
        bad_keys.note("a")


def test_no_limit_is_none() -> None:
    bad_keys = BadKeys(Time(), 0)
    for _ in range(100):
        bad_keys.note("a")


def test_callers_seen_longest_ago_are_forgotten() -> None:
    bad_keys = BadKeys(Time(), 1)
    for number in range(MOST_CALLERS + 1):
        bad_keys.note(str(number))
    bad_keys.note("0")
    with pytest.raises(PfnError):
        bad_keys.note(str(MOST_CALLERS))
