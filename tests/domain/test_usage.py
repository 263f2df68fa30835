"""What the sums of days mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.usage import estimate_installs, round_installs


@pytest.mark.parametrize(
    ("count", "shown"), [(0, 0), (9, 0), (10, 10), (19, 10), (99, 90), (100, 100), (2_734, 2_000), (10_000, 10_000)]
)
def test_sites_are_rounded_down_to_one_digit(count: int, shown: int) -> None:
    assert round_installs(count) == shown


@given(st.integers(0, 10**15))
def test_no_more_is_claimed_than_was_counted_and_rounding_again_changes_nothing(count: int) -> None:
    shown = round_installs(count)
    assert shown <= count
    assert round_installs(shown) == shown
    assert count < 10 or count < 2 * shown


@pytest.mark.parametrize(
    ("by_day", "installs"),
    [
        pytest.param({}, 0, id="nothing"),
        pytest.param({100: 12}, 12, id="the first day speaks for itself"),
        pytest.param({99: 40, 100: 3}, 40, id="today is not over"),
        pytest.param({93: 50, 94: 50, 95: 99_000, 96: 50, 97: 50, 98: 50, 99: 50}, 50, id="a flood of one day"),
        pytest.param({97: 50, 98: 0, 99: 52}, 50, id="a day without any is one the node was away"),
        pytest.param({92: 900, 99: 20}, 20, id="older than a week"),
        pytest.param({98: 30, 99: 60}, 30, id="of two the smaller"),
    ],
)
def test_sites_are_the_middle_of_the_last_full_days(by_day: dict[int, int], installs: int) -> None:
    assert estimate_installs(by_day, 100) == installs
