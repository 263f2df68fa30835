"""What a sync fetches: the plan as a table of reasons, and the laws that hold for any catalogue."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.subscription import Filters
from pfn.domain.sync import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    Listing,
    Sync,
    SyncFailure,
    SyncPlan,
    SyncState,
    plan_retry,
    plan_sync,
)
from pfn.protocol.errors import Code, Fault

NOW = 1_000_000.5
HELLO = Listing("hello", "Hello", "1.0", "Says hello.", tags=("Tools",))
KEY = ("hello", "1.0")
ALL = [Filters()]


def failed(code: Code, next_retry: int | None) -> SyncFailure:
    return SyncFailure("ann@one.example", *KEY, code.slug, "It failed.", 1, 1, next_retry=next_retry)


LATER, DUE, NEVER = int(NOW) + 100, int(NOW), None
FETCH, KNOWN, UNWANTED, WAITING = "fetch", "known", "unwanted", "waiting"


@pytest.mark.parametrize(
    ("known", "wanted", "failure", "options", "expected"),
    [
        (set(), ALL, None, {}, FETCH),
        ({KEY}, ALL, None, {}, KNOWN),
        ({KEY}, ALL, None, {"allow_unsigned": True}, KNOWN),
        ({KEY}, ALL, None, {"recheck": True}, FETCH),
        ({("hello", "0.9"), ("other", "1.0")}, ALL, None, {}, FETCH),
        # Nobody, somebody else, somebody among others.
        (set(), [], None, {}, UNWANTED),
        (set(), [], None, {"recheck": True}, UNWANTED),
        (set(), [Filters(("seo",))], None, {}, UNWANTED),
        (set(), [Filters(("seo",)), Filters(("TOOLS",))], None, {}, FETCH),
        ({KEY}, [Filters(("seo",))], None, {"recheck": True}, UNWANTED),
        # What failed waits for its time, but not for ever, and a person may look at once.
        (set(), ALL, failed(Code.ZIP_REFUSED, LATER), {}, WAITING),
        (set(), ALL, failed(Code.ZIP_REFUSED, DUE), {}, FETCH),
        (set(), ALL, failed(Code.ZIP_REFUSED, LATER), {"recheck": True}, FETCH),
        (set(), ALL, failed(Code.ZIP_REFUSED, LATER), {"allow_unsigned": True}, WAITING),
        (set(), [], failed(Code.ZIP_REFUSED, DUE), {}, UNWANTED),
        ({KEY}, ALL, failed(Code.RELEASE_CONFLICT, NEVER), {}, KNOWN),
        # A broken proof waits for a person.
        (set(), ALL, failed(Code.SIGNATURE_INVALID, NEVER), {}, WAITING),
        (set(), ALL, failed(Code.SIGNATURE_INVALID, NEVER), {"allow_unsigned": True}, WAITING),
        (set(), ALL, failed(Code.SIGNATURE_INVALID, NEVER), {"recheck": True}, FETCH),
        # Who now accepts unsigned plugins need not wait for those held back.
        (set(), ALL, failed(Code.UNSIGNED, LATER), {}, WAITING),
        (set(), ALL, failed(Code.UNSIGNED, LATER), {"allow_unsigned": True}, FETCH),
        (set(), [], failed(Code.UNSIGNED, LATER), {"allow_unsigned": True}, UNWANTED),
    ],
)
def test_each_listing_is_fetched_or_counted_under_its_reason(known, wanted, failure, options, expected):
    failures = {} if failure is None else {KEY: failure}
    plan = plan_sync([HELLO], known, wanted, failures, NOW, **options)
    counts = {reason: int(reason == expected) for reason in (KNOWN, UNWANTED, WAITING)}
    assert plan == SyncPlan((HELLO,) if expected == FETCH else (), **counts)


def test_a_failure_holds_back_that_version_alone():
    failures = {KEY: failed(Code.SIGNATURE_INVALID, NEVER)}
    mended = replace(HELLO, version="1.0.1")
    other = replace(HELLO, slug="other")
    assert plan_sync([HELLO, mended, other], (), ALL, failures, NOW).fetch == (mended, other)


_slugs = st.sampled_from(["a", "b", "c", "d"])
_versions = st.sampled_from(["1.0", "1.1"])
_keys = st.tuples(_slugs, _versions)
_tags = st.lists(st.sampled_from(["SEO", "seo", "tools", "Straße", "STRASSE"]), max_size=2).map(tuple)
_listings = st.lists(
    st.builds(Listing, _slugs, st.just("Name"), _versions, st.none(), tags=_tags),
    unique_by=lambda listing: listing.slug,
)
_failures = st.dictionaries(
    _keys,
    st.builds(
        failed,
        st.sampled_from([Code.ZIP_REFUSED, Code.UNSIGNED, Code.SIGNATURE_INVALID]),
        st.none() | st.sampled_from([LATER, DUE]),
    ),
)
_worlds = st.fixed_dictionaries(
    {
        "listings": _listings,
        "known": st.sets(_keys),
        "wanted": st.lists(st.builds(Filters, _tags)),
        "failures": _failures,
        "now": st.just(NOW),
    }
)
_options = st.fixed_dictionaries({"allow_unsigned": st.booleans(), "recheck": st.booleans()})


@given(_worlds, _options)
def test_every_listing_is_accounted_for_once_in_the_catalogues_order(world, options):
    plan = plan_sync(**world, **options)
    assert len(plan.fetch) + plan.known + plan.unwanted + plan.waiting == len(world["listings"])
    assert list(plan.fetch) == [listing for listing in world["listings"] if listing in plan.fetch]


@given(_worlds, _options)
def test_only_what_is_wanted_is_fetched(world, options):
    for listing in plan_sync(**world, **options).fetch:
        assert any(filters.match(listing.tags) for filters in world["wanted"])


@given(_worlds, st.booleans())
def test_known_releases_are_fetched_only_to_recheck_them(world, allow_unsigned):
    plan = plan_sync(**world, allow_unsigned=allow_unsigned)
    assert not {(one.slug, one.version) for one in plan.fetch} & world["known"]
    recheck = plan_sync(**world, allow_unsigned=allow_unsigned, recheck=True)
    assert (recheck.known, recheck.waiting) == (0, 0)
    assert recheck.unwanted == plan.unwanted


@given(_worlds, st.booleans())
def test_a_second_run_after_everything_came_through_plans_nothing(world, allow_unsigned):
    plan = plan_sync(**world, allow_unsigned=allow_unsigned)
    world["known"] |= {(one.slug, one.version) for one in plan.fetch}
    again = plan_sync(**world, allow_unsigned=allow_unsigned)
    assert again == SyncPlan((), plan.known + len(plan.fetch), plan.unwanted, plan.waiting)


@given(_worlds)
def test_what_a_person_must_look_at_is_never_tried_by_itself(world):
    world["now"] = 1e12
    for listing in plan_sync(**world, allow_unsigned=True).fetch:
        failure = world["failures"].get((listing.slug, listing.version))
        assert failure is None or failure.next_retry is not None or failure.code == Code.UNSIGNED.slug


@given(_worlds, _options)
def test_allowing_more_never_fetches_less(world, options):
    plan = plan_sync(**world, **options)
    generous = plan_sync(**{**world, "wanted": ALL}, **{**options, "allow_unsigned": True})
    assert set(plan.fetch) <= set(generous.fetch)


MENDABLE = [code for code in Code if code.fault is not Fault.SECURITY]


@pytest.mark.parametrize("code", [code for code in Code if code.fault is Fault.SECURITY], ids=lambda code: code.slug)
@pytest.mark.parametrize("retry_count", [0, 1, 1_000])
def test_a_security_fault_is_never_retried_by_itself(code, retry_count):
    assert plan_retry(code, retry_count, NOW) is None


@pytest.mark.parametrize(
    ("retry_count", "minutes"),
    [(0, 15), (1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 960), (7, 1440), (8, 1440), (10**9, 1440)],
)
def test_others_are_retried_after_twice_the_time_up_to_a_day(retry_count, minutes):
    assert plan_retry(Code.ASSET_MISSING, retry_count, NOW) == int(NOW) + minutes * 60


@given(st.sampled_from(MENDABLE), st.integers(0, 10**6), st.floats(0, 1e11))
def test_the_wait_is_bounded_and_never_shrinks(code, retry_count, now):
    waits = [plan_retry(code, count, now) for count in (retry_count, retry_count + 1)]
    assert None not in waits
    assert int(now) + FIRST_RETRY_S <= waits[0] <= waits[1] <= int(now) + LONGEST_RETRY_S


@given(st.sampled_from(MENDABLE), st.integers(0, 40))
def test_what_failed_waits_until_its_time_and_not_longer(code, retry_count):
    retry = plan_retry(code, retry_count, NOW)
    assert retry is not None
    failures = {KEY: failed(code, retry)}
    assert plan_sync([HELLO], (), ALL, failures, retry - 1).waiting == 1
    assert plan_sync([HELLO], (), ALL, failures, retry).fetch == (HELLO,)


def test_the_rows_as_the_api_shows_them():
    sync = Sync(7, "ann@one.example", SyncState.FAILED, 1, 2, 5, 4, 3, 2, 1, "storage_full", "Full.")
    assert sync.to_json() == {
        "id": 7,
        "source_id": "ann@one.example",
        "state": "failed",
        "started_at": 1,
        "finished_at": 2,
        "total": 5,
        "wanted": 4,
        "done": 3,
        "mirrored": 2,
        "failed": 1,
        "code": "storage_full",
        "detail": "Full.",
    }
    of_source = SyncFailure("ann@one.example", "", "", "source_unreachable", "Nobody answers.", 1, 2, 3, None)
    assert of_source.to_json() == {
        "plugin_id": None,
        "version": None,
        "code": "source_unreachable",
        "details": "Nobody answers.",
        "first_failed": 1,
        "last_failed": 2,
        "retry_count": 3,
        "next_retry": None,
        "sha256": None,
    }
