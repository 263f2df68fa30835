"""Which old versions need not be kept: never the newest, nor a young one, nor what somebody's range takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.retention import Offered, Policy, choose_retired
from pfn.domain.version_range import VersionRange
from pfn.protocol.errors import Code, PfnError

DAY = 86_400
NOW = 1_000 * DAY


def release(version: str, days: float = 500) -> Offered:
    return Offered(version, f"digest of {version}", 10, int(NOW - days * DAY))


def chosen(versions: int, days: int, *releases: Offered, ranges: tuple[str, ...] = ()) -> list[str]:
    parsed = [VersionRange.parse(one) for one in ranges]
    return [one.version for one in choose_retired(Policy(versions, days), releases, parsed, NOW)]


FIVE = tuple(release(f"{number}.0") for number in range(5, 0, -1))


@pytest.mark.parametrize(
    ("versions", "ranges", "expected"),
    [
        (0, (), []),
        (1, (), ["4.0", "3.0", "2.0", "1.0"]),
        (3, (), ["2.0", "1.0"]),
        (9, (), []),
        (1, ("<3",), ["4.0", "3.0", "1.0"]),
        (2, ("<3",), ["3.0"]),
        (1, (">=1",), ["4.0", "3.0", "2.0", "1.0"]),
        (1, ("=1.0", "=3.0"), ["4.0", "2.0"]),
        (1, (">9",), ["4.0", "3.0", "2.0", "1.0"]),
    ],
)
def test_the_newest_are_kept_in_all_and_of_each_range(
    versions: int, ranges: tuple[str, ...], expected: list[str]
) -> None:
    assert chosen(versions, 0, *FIVE, ranges=ranges) == expected


def test_what_is_young_is_kept_however_many_there_are() -> None:
    releases = (release("3.0", 1), release("2.0", 29.9), release("1.0", 30))
    assert chosen(1, 30, *releases) == ["1.0"]


@pytest.mark.parametrize(("versions", "days"), [(-1, 0), (1, -1), (1, 36_501)])
def test_numbers_that_make_no_sense_are_refused(versions: int, days: int) -> None:
    with pytest.raises(PfnError) as refused:
        Policy(versions, days)
    assert refused.value.code is Code.INVALID_FIELD


@given(
    st.lists(st.floats(0, 2_000), max_size=12),
    st.integers(0, 5),
    st.integers(0, 1_500),
    st.lists(st.sampled_from(("<3", ">=2, <7", "=4.0", "!=5.0")), max_size=2),
)
def test_keeping_more_retires_no_other(ages: list[float], versions: int, days: int, ranges: list[str]) -> None:
    releases = tuple(release(f"{len(ages) - number}.0", age) for number, age in enumerate(ages))
    some = set(chosen(versions, days, *releases, ranges=tuple(ranges)))
    assert not some or releases[0].version not in some
    assert len(releases) - len(some) >= min(versions, len(releases))
    if versions:
        assert set(chosen(versions + 1, days, *releases, ranges=tuple(ranges))) <= some
        assert set(chosen(versions, days + 1, *releases, ranges=tuple(ranges))) <= some
        assert some <= set(chosen(versions, days, *releases))
