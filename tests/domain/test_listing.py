"""What changed in a catalogue, what is gone from it, and when a great loss is believed."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.listing import (
    BELIEVED_AFTER_S,
    FEWEST_PLUGINS,
    Loss,
    LossVerdict,
    find_changes,
    is_believed,
    judge_loss,
)
from pfn.domain.sync import Listing

NOW = 1_000_000_000
OLD = Listing("one", "One", "1.0", "Does one thing.", ("seo",), "c2ln", statement="ab" * 32, first_seen=5)


@pytest.mark.parametrize(
    ("listed", "first_seen"),
    [
        (replace(OLD, version="1.1"), NOW),
        (replace(OLD, statement="cd" * 32), NOW),
        (replace(OLD, slug="two"), NOW),
        # The same version, otherwise described, is as old as it was.
        (replace(OLD, name="Uno"), 5),
        (replace(OLD, description=None), 5),
        (replace(OLD, tags=()), 5),
        (replace(OLD, signature="b3RoZXI="), 5),
    ],
)
def test_what_is_listed_otherwise_is_a_change(listed: Listing, first_seen: int) -> None:
    assert find_changes({"one": OLD}, [replace(listed, first_seen=0)], NOW) == (replace(listed, first_seen=first_seen),)


def test_what_is_listed_as_before_is_none() -> None:
    assert find_changes({"one": OLD}, [replace(OLD, first_seen=0)], NOW) == ()


def test_what_comes_back_is_a_change_and_as_old_as_it_was() -> None:
    gone = replace(OLD, unlisted_at=9)
    assert find_changes({"one": gone}, [replace(OLD, first_seen=0)], NOW) == (OLD,)


def slugs(count: int, start: int = 0) -> list[str]:
    return [f"p{number}" for number in range(start, start + count)]


SINCE = NOW - BELIEVED_AFTER_S


@pytest.mark.parametrize(
    ("known", "listed", "shrank_at", "gone", "after", "verdict"),
    [
        (10, 10, None, 0, None, None),
        (10, 9, None, 1, None, None),
        # Half of them is believed, less is not.
        (10, 5, None, 5, None, None),
        (11, 6, None, 5, None, None),
        (10, 4, None, 0, NOW, LossVerdict.SUSPECTED),
        (11, 5, None, 0, NOW, LossVerdict.SUSPECTED),
        (10, 0, None, 0, NOW, LossVerdict.SUSPECTED),
        (10_000, 4_999, None, 0, NOW, LossVerdict.SUSPECTED),
        # A small catalogue may end as it likes.
        (9, 0, None, 9, None, None),
        (1, 0, None, 1, None, None),
        (0, 0, None, 0, None, None),
        # It still looks like that, it does for a week, it is as it was.
        (10, 4, SINCE + 1, 0, SINCE + 1, None),
        (10, 4, SINCE, 6, None, LossVerdict.ACCEPTED),
        (10, 4, SINCE - 99, 6, None, LossVerdict.ACCEPTED),
        (10, 10, SINCE + 1, 0, None, LossVerdict.RECOVERED),
        (10, 5, SINCE + 1, 5, None, LossVerdict.RECOVERED),
        (10, 10, SINCE - 99, 0, None, LossVerdict.RECOVERED),
    ],
)
def test_a_great_loss_is_believed_after_a_week(known, listed, shrank_at, gone, after, verdict) -> None:
    loss = judge_loss(slugs(known), slugs(listed), shrank_at, NOW)
    assert loss == Loss(frozenset(slugs(gone, listed)), known - listed, after, verdict)


def test_other_plugins_in_their_place_do_not_make_up_for_a_loss() -> None:
    assert judge_loss(slugs(10), slugs(10, 100), None, NOW).verdict is LossVerdict.SUSPECTED


_some = st.sets(st.integers(0, 40).map(lambda number: f"p{number}"))
_since = st.none() | st.integers(NOW - 2 * BELIEVED_AFTER_S, NOW)


@given(_some, _some, _since)
def test_only_what_is_missing_is_ever_given_up_and_all_or_nothing(known, listed, since) -> None:
    loss = judge_loss(known, listed, since, NOW)
    assert loss.gone in {frozenset(), frozenset(known - listed)}
    assert loss.missing == len(known - listed)
    if loss.shrank_at is not None:
        assert not loss.gone
        assert not is_believed(loss.shrank_at, NOW)


@given(_some, _some, _since)
def test_looking_again_after_a_loss_was_given_up_finds_nothing(known, listed, since) -> None:
    loss = judge_loss(known, listed, since, NOW)
    again = judge_loss(known - loss.gone, listed, loss.shrank_at, NOW)
    assert again.gone == frozenset()
    assert again.verdict is None
    assert again.shrank_at == loss.shrank_at


@given(st.integers(FEWEST_PLUGINS, 100), st.data())
def test_a_catalogue_that_never_loses_half_is_never_suspected(count, data) -> None:
    listed = data.draw(st.integers((count + 1) // 2, count))
    assert judge_loss(slugs(count), slugs(listed), None, NOW).verdict is None
