"""Filters: an empty one takes everything, every condition must hold, all reasons are told, ``until`` is exact."""

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Candidate, Filters, Subscription
from pfn.domain.version_range import VersionRange
from pfn.protocol.errors import Code, PfnError

DAY = 86_400
FORMS = Candidate(
    slug="easy-forms",
    version="1.4",
    tags=("Forms", "privacy"),
    author="Alice",
    level=SignatureLevel.METADATA,
    first_seen=1_000_000,
    trust=0.5,
)

_words = st.lists(st.sampled_from(["seo", "SEO", "forms", "Straße", "STRASSE", "tools"]), max_size=3).map(tuple)
_versions = st.sampled_from(["0.9", "1.0-beta", "1.0", "1.0.0", "1.4", "2.0", "10.0"])
_ranges = st.lists(st.tuples(st.sampled_from([">=", "<=", ">", "<", "=", "!="]), _versions), max_size=2).map(
    lambda conditions: VersionRange(tuple(conditions))
)
_days = st.one_of(st.just(0), st.integers(0, 30), st.floats(0, 30))
_filters = st.builds(
    Filters,
    tags=_words,
    slugs=_words,
    authors=_words,
    minimum_trust=st.none() | st.floats(0, 1),
    minimum_level=st.none() | st.sampled_from(SignatureLevel),
    versions=_ranges,
    minimum_age_days=_days,
)
_candidates = st.builds(
    Candidate,
    slug=st.sampled_from(["seo", "forms", "tools"]),
    version=_versions,
    tags=_words,
    author=st.sampled_from(["Straße", "seo", "alice"]),
    level=st.sampled_from(SignatureLevel),
    first_seen=st.integers(0, 100 * DAY),
    trust=st.floats(0, 1),
)
_now = st.integers(0, 150 * DAY)


def names(filters, candidate=FORMS, now=10**9):
    return [skip.name for skip in filters.judge(candidate, now)]


@pytest.mark.parametrize(
    ("filters", "reasons"),
    [
        (Filters(), []),
        (Filters(tags=("forms",)), []),
        (Filters(tags=("seo", "PRIVACY")), []),
        (Filters(tags=("form",)), ["tag"]),
        (Filters(slugs=("Easy-Forms", "other")), []),
        (Filters(slugs=("easy",)), ["slug"]),
        (Filters(authors=("alice",)), []),
        (Filters(authors=("bob", "ali")), ["author"]),
        (Filters(minimum_trust=0.5), []),
        (Filters(minimum_trust=0.51), ["trust"]),
        (Filters(minimum_level=SignatureLevel.NONE), []),
        (Filters(minimum_level=SignatureLevel.METADATA), []),
        (Filters(minimum_level=SignatureLevel.ARTIFACT), ["level"]),
        (Filters(versions=VersionRange.parse(">=1.4, <2")), []),
        (Filters(versions=VersionRange.parse(">1.4")), ["version"]),
        (Filters(minimum_age_days=7), []),
        (
            Filters(("x",), ("x",), ("x",), 1.0, SignatureLevel.ARTIFACT, VersionRange.parse(">2"), 3650),
            ["slug", "tag", "author", "trust", "level", "version"],
        ),
    ],
)
def test_what_is_taken_and_why_not(filters, reasons):
    assert names(filters) == reasons


def test_every_reason_is_told_in_words():
    filters = Filters(
        ("x", "y"), ("x",), ("bob",), 0.8, SignatureLevel.ARTIFACT, VersionRange.parse(">2"), minimum_age_days=1
    )
    assert [skip.to_json() for skip in filters.judge(FORMS, 1_000_000)] == [
        {"name": "slug", "sentence": "easy-forms is not among the plugins asked for.", "until": None},
        {"name": "tag", "sentence": "It has none of the tags: x, y.", "until": None},
        {"name": "author", "sentence": "Its author Alice is not among: bob.", "until": None},
        {"name": "trust", "sentence": "Its source has trust 0.50, below 0.8.", "until": None},
        {"name": "level", "sentence": "Its signature level is metadata, below artifact.", "until": None},
        {"name": "version", "sentence": "Its version 1.4 is outside >2.", "until": None},
        {
            "name": "age",
            "sentence": "It is listed for less than 1 day: wait until 1970-01-13 13:46 UTC.",
            "until": 1_000_000 + DAY,
        },
    ]


@pytest.mark.parametrize("wanted", ["Straße", "STRASSE", "strasse"])
def test_case_never_matters(wanted):
    plugin = replace(FORMS, tags=("STRASSE",), author="straße", slug="strasse")
    assert names(Filters(tags=(wanted,), authors=(wanted,), slugs=(wanted,)), plugin) == []


@given(_candidates, _now)
def test_an_empty_filter_takes_everything(candidate, now):
    assert Filters().judge(candidate, now) == ()


@given(_filters, st.sampled_from([one.name for one in fields(Filters)]), _candidates, _now)
def test_adding_a_condition_never_takes_more(filters, name, candidate, now):
    fewer = replace(filters, **{name: getattr(Filters(), name)})
    assert set(fewer.judge(candidate, now)) <= set(filters.judge(candidate, now))
    assert all(skip in filters.judge(candidate, now) for skip in fewer.judge(candidate, now))


@given(_filters, _candidates, _now)
def test_a_better_plugin_is_not_wanted_less(filters, candidate, now):
    better = replace(candidate, tags=(*candidate.tags, "more"), level=SignatureLevel.ARTIFACT, trust=1.0)
    assert {skip.name for skip in filters.judge(better, now)} <= {skip.name for skip in filters.judge(candidate, now)}


@given(_candidates, _days)
@example(FORMS, 0.00001)
@example(FORMS, 1.000001)
def test_until_is_exact(candidate, days):
    assume(days > 0)
    filters = Filters(minimum_age_days=days)
    (skip,) = filters.judge(candidate, candidate.first_seen)
    assert skip.until == candidate.first_seen + math.ceil(days * DAY)
    assert names(filters, candidate, skip.until - 1) == ["age"]
    assert names(filters, candidate, skip.until - 0.001) == ["age"]
    assert names(filters, candidate, skip.until) == []


@given(_filters)
def test_a_filter_comes_back_from_json_as_it_went(filters):
    assert Filters.from_json(json.loads(json.dumps(filters.to_json()))) == filters


def test_the_wire_shape():
    assert Filters().to_json() == {}
    assert Filters.from_json({}) == Filters()
    assert Filters.from_json({"tags": ["a", "B"]}) == Filters(("a", "B"))
    every = Filters(("a", "B"), ("s",), ("alice",), 0.0, SignatureLevel.NONE, VersionRange.parse(">=1.2,<3"), 0.5)
    assert json.dumps(every.to_json()) == (
        '{"tags": ["a", "B"], "slugs": ["s"], "authors": ["alice"], "minimum_trust": 0.0, "minimum_level": "none", '
        '"versions": ">=1.2, <3", "minimum_age_days": 0.5}'
    )
    assert Subscription(3, "ann@one.example", "carl", Filters(("a",)), 1, 2).to_json() == {
        "id": 3,
        "source_id": "ann@one.example",
        "subscriber": "carl",
        "filters": {"tags": ["a"]},
        "created_at": 1,
        "ended_at": 2,
    }


@pytest.mark.parametrize(
    ("filters", "words"),
    [
        (Filters(), "everything"),
        (Filters(tags=("seo", "forms")), "tagged seo or forms"),
        (Filters(minimum_trust=0.6, minimum_age_days=1), "trust 0.6 or more; listed for 1 day or longer"),
        (
            Filters((), ("a", "b"), ("alice",), 0, SignatureLevel.ARTIFACT, VersionRange.parse(">=1.2,<3"), 7),
            (
                "plugins a or b; by alice; trust 0 or more; signature level artifact or better; versions >=1.2, <3; "
                "listed for 7 days or longer"
            ),
        ),
    ],
)
def test_a_filter_in_words(filters, words):
    assert filters.describe() == words


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("minimum_trust", -0.1),
        ("minimum_trust", 1.1),
        ("minimum_trust", math.nan),
        ("minimum_age_days", -1),
        ("minimum_age_days", 3651),
        ("minimum_age_days", math.inf),
        ("minimum_age_days", math.nan),
    ],
)
def test_numbers_that_make_no_sense_are_refused(name, value):
    with pytest.raises(PfnError, match=f"{name}: must lie between") as refused:
        Filters(**{name: value})
    assert refused.value.code is Code.INVALID_FIELD
