"""Token buckets on a clock the test holds: nobody gets more than the limit, and nobody is kept for long."""

from hypothesis import given
from hypothesis import strategies as st

from pfn.web.bucket import MOST_CALLERS, PERIOD_S, Buckets, Share


class Time:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_bucket_is_empty_after_the_limit_and_fills_evenly() -> None:
    clock = Time()
    buckets = Buckets(clock, 3)
    shares = [buckets.take("a") for _ in range(4)]
    assert shares == [Share(True, 2, 0, 20), Share(True, 1, 0, 40), Share(True, 0, 20, 60), Share(False, 0, 20, 60)]
    assert buckets.take("b") == Share(True, 2, 0, 20)
    clock.now += 19.9
    assert buckets.take("a") == Share(False, 0, 1, 41)
    clock.now += 0.1
    assert buckets.take("a") == Share(True, 0, 20, 60)


def test_no_limit_is_none_and_keeps_nothing() -> None:
    buckets = Buckets(Time(), 0)
    assert all(buckets.take("a") is None for _ in range(10))
    assert len(buckets) == 0


def test_a_clock_that_is_set_back_starves_nobody() -> None:
    clock = Time()
    buckets = Buckets(clock, 2)
    buckets.take("a")
    buckets.take("a")
    clock.now -= 3600
    refused = buckets.take("a")
    assert refused is not None
    assert (refused.allowed, refused.wait) == (False, 30)
    clock.now += refused.wait
    allowed = buckets.take("a")
    assert allowed is not None
    assert allowed.allowed


def test_memory_is_bounded_by_callers_and_by_time() -> None:
    clock = Time()
    buckets = Buckets(clock, 10)
    for number in range(MOST_CALLERS + 100):
        buckets.take(str(number))
    assert len(buckets) == MOST_CALLERS
    clock.now += PERIOD_S
    buckets.take("another")
    assert len(buckets) == 1


@given(
    limit=st.integers(1, 50),
    waits=st.lists(st.floats(0, 120, allow_nan=False), min_size=1, max_size=200),
)
def test_never_more_than_a_full_bucket_and_what_flowed_in(limit: int, waits: list[float]) -> None:
    clock = Time()
    buckets = Buckets(clock, limit)
    began, taken, promised = clock.now, 0, clock.now
    for wait in waits:
        clock.now += wait
        share = buckets.take("a")
        assert share is not None
        taken += share.allowed
        assert taken <= limit + (clock.now - began) * limit / PERIOD_S + 1e-6
        # Whoever waits as long as it was told is let through.
        assert share.allowed or clock.now < promised
        promised = clock.now + share.wait
        assert 0 <= share.remaining < limit
        assert (share.wait == 0) == (share.remaining > 0)
        assert 0 < share.reset <= PERIOD_S
