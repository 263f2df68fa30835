"""What a sync fetches: the plan as a table of reasons, and the laws that hold for any catalogue."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Candidate, Filters
from pfn.domain.sync import (
    FIRST_RETRY_S,
    LONGEST_RETRY_S,
    Listing,
    Sync,
    SyncFailure,
    SyncPlan,
    SyncState,
    Wishes,
    plan_postponed,
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


def candidate(listing: Listing) -> Candidate:
    return Candidate(listing.slug, listing.version, listing.tags, "ann", SignatureLevel.METADATA, 0, 0.5)


def wish(filters: Any = ALL, **more: Any) -> Wishes:
    return Wishes(filters, "ann", **{"trust": 0.5, **more})


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
        (set(), ALL, failed(Code.ZIP_REFUSED, LATER), {"retry_all": True}, FETCH),
        (set(), ALL, failed(Code.ZIP_REFUSED, LATER), {"recheck": True}, WAITING),
        ({KEY}, ALL, failed(Code.RELEASE_CONFLICT, NEVER), {"recheck": True}, WAITING),
        (set(), ALL, failed(Code.ZIP_REFUSED, LATER), {"allow_unsigned": True}, WAITING),
        (set(), [], failed(Code.ZIP_REFUSED, DUE), {}, UNWANTED),
        ({KEY}, ALL, failed(Code.RELEASE_CONFLICT, NEVER), {}, KNOWN),
        # A broken proof waits for a person.
        (set(), ALL, failed(Code.SIGNATURE_INVALID, NEVER), {}, WAITING),
        (set(), ALL, failed(Code.SIGNATURE_INVALID, NEVER), {"allow_unsigned": True}, WAITING),
        (set(), ALL, failed(Code.SIGNATURE_INVALID, NEVER), {"retry_all": True}, FETCH),
        # Who now accepts unsigned plugins need not wait for those held back.
        (set(), ALL, failed(Code.UNSIGNED, LATER), {}, WAITING),
        (set(), ALL, failed(Code.UNSIGNED, LATER), {"allow_unsigned": True}, FETCH),
        (set(), [], failed(Code.UNSIGNED, LATER), {"allow_unsigned": True}, UNWANTED),
    ],
)
def test_each_listing_is_fetched_or_counted_under_its_reason(known, wanted, failure, options, expected):
    failures = {} if failure is None else {KEY: failure}
    wishes = wish(wanted, allow_unsigned=options.pop("allow_unsigned", False))
    plan = plan_sync([HELLO], known, wishes, failures, NOW, **options)
    counts = {reason: int(reason == expected) for reason in (KNOWN, UNWANTED, WAITING)}
    assert plan == SyncPlan((HELLO,) if expected == FETCH else (), **counts)


def test_a_failure_holds_back_that_version_alone():
    failures = {KEY: failed(Code.SIGNATURE_INVALID, NEVER)}
    mended = replace(HELLO, version="1.0.1")
    other = replace(HELLO, slug="other")
    assert plan_sync([HELLO, mended, other], (), wish(), failures, NOW).fetch == (mended, other)


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
        "wishes": st.builds(wish, st.lists(st.builds(Filters, _tags)), allow_unsigned=st.booleans()),
        "failures": _failures,
        "now": st.just(NOW),
    }
)
_options = st.fixed_dictionaries({"recheck": st.booleans(), "retry_all": st.booleans()})


@given(_worlds, _options)
def test_every_listing_is_accounted_for_once_in_the_catalogues_order(world, options):
    plan = plan_sync(**world, **options)
    assert len(plan.fetch) + plan.known + plan.unwanted + plan.waiting == len(world["listings"])
    assert list(plan.fetch) == [listing for listing in world["listings"] if listing in plan.fetch]


@given(_worlds, _options)
def test_only_what_is_wanted_is_fetched(world, options):
    for listing in plan_sync(**world, **options).fetch:
        assert any(not filters.judge(candidate(listing), NOW) for filters in world["wishes"].filters)


@given(_worlds)
def test_known_releases_are_fetched_only_to_recheck_them(world):
    plan = plan_sync(**world)
    assert not {(one.slug, one.version) for one in plan.fetch} & world["known"]
    recheck = plan_sync(**world, recheck=True, retry_all=True)
    assert (recheck.known, recheck.waiting) == (0, 0)
    assert recheck.unwanted == plan.unwanted


@given(_worlds)
def test_a_second_run_after_everything_came_through_plans_nothing(world):
    plan = plan_sync(**world)
    world["known"] |= {(one.slug, one.version) for one in plan.fetch}
    again = plan_sync(**world)
    assert again == SyncPlan((), plan.known + len(plan.fetch), plan.unwanted, plan.waiting)


@given(_worlds)
def test_what_a_person_must_look_at_is_never_tried_by_itself(world):
    world["now"] = 1e12
    world["wishes"] = replace(world["wishes"], allow_unsigned=True)
    for listing in plan_sync(**world).fetch:
        failure = world["failures"].get((listing.slug, listing.version))
        assert failure is None or failure.next_retry is not None or failure.code == Code.UNSIGNED.slug


@given(_worlds, _options)
def test_allowing_more_never_fetches_less(world, options):
    plan = plan_sync(**world, **options)
    generous = plan_sync(**{**world, "wishes": wish(allow_unsigned=True)}, **options)
    assert set(plan.fetch) <= set(generous.fetch)


@given(_worlds, _options)
def test_nothing_is_fetched_of_a_source_that_is_held(world, options):
    world["wishes"] = replace(world["wishes"], held="It changed hands.")
    assert plan_sync(**world, **options).fetch == ()


DAY = 86_400
YOUNG, OLD = Filters(minimum_age_days=1), Filters(minimum_age_days=7)


@pytest.mark.parametrize(
    ("filters", "age_days", "fetched", "again_days"),
    [
        ([YOUNG], 0, False, 1),
        ([YOUNG], 1, True, None),
        ([YOUNG, OLD], 0, False, 1),
        ([OLD, YOUNG], 2, True, None),
        ([OLD], 2, False, 5),
        # Who would not take it for another reason either need not be waited for.
        ([Filters(tags=("seo",), minimum_age_days=1)], 0, False, None),
        ([Filters(tags=("seo",), minimum_age_days=1), OLD], 0, False, 7),
        ([Filters(tags=("seo",))], 0, False, None),
    ],
)
def test_what_is_too_fresh_is_looked_at_again_when_the_first_will_take_it(filters, age_days, fetched, again_days):
    seen = 1_000_000
    now = seen + age_days * DAY
    listing = replace(HELLO, first_seen=seen)
    plan = plan_sync([listing], (), wish(filters), {}, now)
    assert (plan.fetch == (listing,)) is fetched
    assert plan.look_again_at == (None if again_days is None else now + again_days * DAY)


def test_what_is_mirrored_is_not_waited_for():
    assert plan_sync([replace(HELLO, first_seen=1)], {KEY}, wish([YOUNG]), {}, 2).look_again_at is None


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        (wish([Filters(), YOUNG]), wish([YOUNG, Filters()])),
        (wish(ALL, trust=0.1), wish(ALL, trust=0.9)),
        (wish([Filters(minimum_trust=0.5)], trust=0.5), wish([Filters(minimum_trust=0.5)], trust=0.9)),
        (wish(ALL, held="Because."), wish(ALL, held="For another reason.")),
    ],
)
def test_the_digest_stays_where_nothing_that_counts_changed(changed, same):
    assert changed.digest() == same.digest()


@pytest.mark.parametrize(
    "other",
    [
        wish([]),
        wish([YOUNG]),
        wish([Filters(minimum_trust=0.5)], trust=0.4),
        wish([Filters(minimum_trust=0.5)], trust=0.6),
        wish(allow_unsigned=True),
        wish(held="It changed hands."),
        wish(keys=2),
    ],
)
def test_the_digest_changes_with_whatever_the_plan_depends_on(other):
    assert other.digest() != wish().digest()
    assert other.digest() != wish([Filters(minimum_trust=0.5)], trust=0.55, keys=1).digest()


def test_the_level_that_is_wanted_is_that_which_would_be_proven():
    proven, signed = Filters(minimum_level="metadata"), Filters(minimum_level="artifact")
    bare, stated = HELLO, replace(HELLO, statement="ab" * 32)
    # Its signature may stand elsewhere, and without any it would be refused.
    assert wish([proven]).judge(bare, NOW)[0]
    assert not wish([proven], allow_unsigned=True).judge(bare, NOW)[0]
    assert not wish([signed]).judge(bare, NOW)[0]
    assert wish([signed]).judge(stated, NOW)[0]


@pytest.mark.parametrize("code", [Code.ASSET_MISSING, Code.PUBLISHER_DOCUMENT, Code.QUOTA_EXCEEDED])
def test_what_cannot_be_tried_is_put_off_further_each_time(code):
    failure = failed(code, DUE)
    for _ in range(10):
        later = plan_postponed(failure, NOW)
        assert later.next_retry is not None
        assert failure.next_retry is not None
        assert later.next_retry > NOW
        assert later.next_retry >= failure.next_retry
        assert (later.last_failed, later.first_failed) == (failure.last_failed, failure.first_failed)
        failure = later
    assert failure.next_retry == int(NOW) + LONGEST_RETRY_S


MENDABLE = [code for code in Code if code.fault is not Fault.SECURITY and code is not Code.QUOTA_EXCEEDED]


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
    assert plan_sync([HELLO], (), wish(), failures, retry - 1).waiting == 1
    assert plan_sync([HELLO], (), wish(), failures, retry).fetch == (HELLO,)


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
