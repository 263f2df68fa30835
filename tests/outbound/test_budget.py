import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.outbound.budget import Deadline, FetchLimits, Pace

NEEDED, WINDOW = 1000, 30.0
STEP = WINDOW / 64


def deadlines(arrivals):
    pace = Pace(NEEDED, WINDOW, 0.0)
    return [pace.receive(size, now) for now, size in arrivals]


@pytest.mark.parametrize(
    ("arrivals", "late_at"),
    [
        ([(0.0, 0)], 30.0),
        ([(29.0, 999)], 30.0),
        ([(10.0, 1000)], 40.0),
        ([(10.0, 600), (20.0, 600)], 40.0),
        ([(10.0, 400), (20.0, 600)], 40.0),
        ([(10.0, 300), (20.0, 1000)], 50.0),
        ([(1.0, 1_000_000)], 31.0),
        ([(1.0, 1_000_000), (29.0, 10)], 31.0),
    ],
)
def test_when_more_must_have_come(arrivals, late_at):
    assert deadlines(arrivals)[-1] == late_at


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.integers(0, 1500)), min_size=1, max_size=40))
def test_late_exactly_when_some_window_brought_too_little(gaps):
    pace, arrivals, now, late_at = Pace(NEEDED, WINDOW, 0.0), [(0.0, 0)], 0.0, WINDOW
    for gap, size in gaps:
        now += gap
        if now > late_at:
            break
        arrivals.append((now, size))
        late_at = pace.receive(size, now)
    # The oracle: of the windows that begin right after an arrival, the first that has not brought enough.
    starts = [
        begin for index, (begin, _) in enumerate(arrivals) if sum(size for _, size in arrivals[index + 1 :]) < NEEDED
    ]
    exact = min(starts) + WINDOW
    assert exact - STEP <= late_at <= exact


def test_memory_stays_small_under_many_tiny_arrivals():
    pace = Pace(1e9, WINDOW, 0.0)
    for count in range(20_000):
        pace.receive(1, count * 0.001)
    assert len(pace._samples) < 100


async def test_deadline_says_which_limit_was_hit():
    async def wait_for_body(limits, seconds):
        async with Deadline(limits, seconds) as deadline:
            deadline.receive(0)
            await asyncio.sleep(5)

    tiny = {"connect": 0.01, "first_byte": 0.01, "pace_window": 0.02}
    with pytest.raises(TimeoutError, match="no complete head"):
        async with Deadline(FetchLimits(**tiny), 30):
            await asyncio.sleep(5)
    with pytest.raises(TimeoutError, match="slower than 16384 bytes per second"):
        await wait_for_body(FetchLimits(**tiny), 30)
    with pytest.raises(TimeoutError, match=r"not finished within 0\.02 s"):
        await wait_for_body(FetchLimits(), 0.02)


async def test_what_fails_inside_passes_unchanged():
    with pytest.raises(ZeroDivisionError):
        async with Deadline(FetchLimits(), 30):
            _ = 1 / 0
