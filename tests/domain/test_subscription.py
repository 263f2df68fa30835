"""Filters: an empty one takes everything, tags match whatever their case, and one is enough."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.subscription import Filters, Subscription

_tags = st.lists(st.text(max_size=6), max_size=4).map(tuple)


@pytest.mark.parametrize(
    ("wanted", "has", "matches"),
    [
        ((), (), True),
        ((), ("seo",), True),
        (("seo",), (), False),
        (("seo",), ("seo",), True),
        (("SEO",), ("Seo",), True),
        (("Straße",), ("STRASSE",), True),
        (("seo",), ("seo tools",), False),
        (("seo",), ("se",), False),
        (("seo", "forms"), ("tools", "forms"), True),
        (("seo", "forms"), ("tools",), False),
    ],
)
def test_one_tag_in_common_is_enough(wanted, has, matches):
    assert Filters(wanted).match(has) is matches
    assert Filters(wanted).match(iter(has)) is matches


@given(_tags, _tags)
def test_case_and_order_never_matter(wanted, has):
    matches = Filters(wanted).match(has)
    assert Filters(tuple(reversed(wanted))).match(reversed(has)) is matches
    assert Filters(tuple(tag.casefold() for tag in wanted)).match(tag.casefold() for tag in has) is matches


@given(_tags, _tags, st.text(max_size=6))
def test_a_plugin_with_more_tags_is_not_wanted_less(wanted, has, more):
    assert Filters(wanted).match((*has, more)) >= Filters(wanted).match(has)


def test_the_wire_shape():
    assert Filters().to_json() == {}
    assert Filters(("a", "B")).to_json() == {"tags": ["a", "B"]}
    assert Subscription(3, "ann@one.example", "carl", Filters(("a",)), 1, 2).to_json() == {
        "id": 3,
        "source_id": "ann@one.example",
        "subscriber": "carl",
        "filters": {"tags": ["a"]},
        "created_at": 1,
        "ended_at": 2,
    }
