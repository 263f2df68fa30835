"""How much a source may fill: updates go on where plugins are full, nothing does where bytes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.quota import Quota
from pfn.protocol.errors import Code


@pytest.mark.parametrize(
    ("quota", "new", "size", "fits"),
    [
        (Quota(10, 100, 9, 90), True, 10, True),
        (Quota(10, 100, 9, 90), True, 11, False),
        (Quota(10, 100, 10, 0), True, 1, False),
        # A new version of what is there is bound by bytes alone.
        (Quota(10, 100, 10, 0), False, 100, True),
        (Quota(10, 100, 12, 0), False, 100, True),
        (Quota(10, 100, 10, 0), False, 101, False),
        # 0 is no limit.
        (Quota(0, 100, 10**9, 0), True, 1, True),
        (Quota(10, 0, 9, 10**18), True, 10**18, True),
        (Quota(0, 0), True, 10**18, True),
    ],
)
def test_what_fits(quota: Quota, new: bool, size: int, fits: bool) -> None:
    error = quota.refuse(new_plugin=new, size=size)
    assert (error is None) is fits
    if error is not None:
        assert error.code is Code.QUOTA_EXCEEDED
        assert "pfn source quota" in error.detail


@pytest.mark.parametrize(
    ("quota", "near"),
    [
        (Quota(10, 100, 7, 79), False),
        (Quota(10, 100, 8, 0), True),
        (Quota(10, 100, 0, 80), True),
        (Quota(0, 0, 10**6, 10**12), False),
        (Quota(0, 0), False),
    ],
)
def test_four_fifths_are_near(quota: Quota, near: bool) -> None:
    assert quota.is_near() is near


@given(st.integers(1, 50), st.integers(1, 5_000), st.lists(st.tuples(st.booleans(), st.integers(1, 500))))
def test_what_is_taken_in_turn_never_passes_the_limits(plugins: int, size: int, releases) -> None:
    quota = Quota(plugins, size)
    for new, length in releases:
        if quota.refuse(new_plugin=new, size=length) is None:
            quota = quota.add(new_plugin=new, size=length)
    assert quota.plugins <= plugins
    assert quota.bytes <= size


def test_as_the_api_shows_it() -> None:
    assert Quota(10, 0, 3, 5).to_json() == {
        "plugins": {"used": 3, "limit": 10},
        "bytes": {"used": 5, "limit": None},
    }
