"""Feeds are valid whatever strangers write into names, and their ids never change."""

import json
import re
from datetime import datetime
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.domain.feed import ATOM, Entry, Feed, make_tag, write_atom, write_json_feed

A = f"{{{ATOM}}}"
# RFC 4151: "tag:" authority "," date ":" specific.
TAG = re.compile(
    r"tag:[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*,\d{4}(-\d\d(-\d\d)?)?:[\w.~:@/?!$&'()*+,;=%-]*",
    re.ASCII | re.IGNORECASE,
)
# RFC 3339, as Atom and JSON Feed ask.
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")

# RFC 4287 section 4: for each element of ours, which children it must have once, and which it may have.
REQUIRED = {
    "feed": {"id", "title", "updated", "author"},
    "entry": {"id", "title", "updated", "content"},
    "author": {"name"},
}
ALLOWED = {
    "feed": {"link", "entry"},
    "entry": {"published", "link", "category"},
    "author": {"uri"},
}


def make_feed(*sentences: str, address: str = "https://node.example", title: str = "Activity") -> Feed:
    entries = [
        Entry(
            seq=100 - number,
            url=f"{address}/sources/ann@one.example",
            timestamp=1_700_000_000 - number,
            sentence=sentence,
            tags=("federation_event", "noted"),
            row={"seq": 100 - number, "details": {"sentence": sentence}},
        )
        for number, sentence in enumerate(sentences)
    ]
    return Feed(title, address, f"{address}/", f"{address}/federation/activity.atom?source=a%40b&limit=5", entries)


def assert_valid_atom(document: bytes) -> ET.Element:
    """Check what RFC 4287 demands of the elements that are there, and give the feed."""
    feed = ET.fromstring(document)
    assert document.startswith(b"<?xml version='1.0' encoding='utf-8'?>")
    for element in feed.iter():
        name = element.tag.removeprefix(A)
        assert element.tag.startswith(A), element.tag
        names = [child.tag.removeprefix(A) for child in element]
        assert set(names) <= REQUIRED.get(name, set()) | ALLOWED.get(name, set()), (name, names)
        assert all(names.count(one) == 1 for one in REQUIRED.get(name, set())), (name, names)
        if name == "id":
            assert TAG.fullmatch(element.text or ""), element.text
        if name in {"updated", "published"}:
            assert MOMENT.fullmatch(element.text or "")
        if name in {"link", "category"}:
            assert set(element.attrib) == ({"rel", "type", "href"} if name == "link" else {"term"})
        if name in {"feed", "entry"}:
            links = [link.attrib["rel"] for link in element.findall(f"{A}link")]
            assert sorted(links) == (["alternate", "self"] if name == "feed" else ["alternate"])
    ids = [one.text for one in feed.iter(f"{A}id")]
    assert len(ids) == len(set(ids))
    return feed


def assert_valid_json_feed(document: object) -> None:
    """Check what JSON Feed 1.1 demands."""
    written = json.loads(json.dumps(document))
    assert written["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(written["title"], str)
    for item in written["items"]:
        assert TAG.fullmatch(item["id"])
        assert isinstance(item["content_text"], str)
        assert item["url"].startswith("http")
        assert datetime.fromisoformat(item["date_published"])
        assert all(isinstance(tag, str) for tag in item["tags"])
        assert {key for key in item if key.startswith("_")} == {"_pfn"}


def test_what_a_feed_says() -> None:
    feed = assert_valid_atom(write_atom(make_feed("“<b>Hello</b>” & co. went to 1.1.", "It began.")))
    assert feed.findtext(f"{A}title") == "Activity"
    assert feed.findtext(f"{A}updated") == "2023-11-14T22:13:20Z"
    assert feed.findtext(f"{A}author/{A}name") == "node.example"
    first, second = feed.findall(f"{A}entry")
    assert first.findtext(f"{A}content") == "“<b>Hello</b>” & co. went to 1.1."
    assert first.findtext(f"{A}id") == "tag:node.example,2026:pfn/events/100"
    assert second.findtext(f"{A}updated") == "2023-11-14T22:13:19Z"
    assert [one.attrib["term"] for one in first.findall(f"{A}category")] == ["federation_event", "noted"]

    document = write_json_feed(make_feed("It began."))
    assert_valid_json_feed(document)
    assert document["items"][0]["_pfn"] == {"seq": 100, "details": {"sentence": "It began."}}  # type: ignore[index]


def test_a_feed_without_entries_is_valid_too() -> None:
    assert assert_valid_atom(write_atom(make_feed())).findtext(f"{A}updated") == "1970-01-01T00:00:00Z"
    assert_valid_json_feed(write_json_feed(make_feed()))


# Every code point, those no text should have above all, and lone surrogates, as JSON can bring them.
NASTY = st.text(
    st.one_of(st.characters(), st.sampled_from("\x00\x08\x0b\x1f\x7f\x85\u202e\u2066\ufffe\uffff\ud800<&]>\"'"))
)


@given(NASTY, NASTY)
def test_no_text_breaks_a_feed(sentence: str, title: str) -> None:
    feed = make_feed(sentence, title=title)
    found = assert_valid_atom(write_atom(feed)).findtext(f"{A}entry/{A}content") or ""
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", found)
    kept = [char for char in sentence if char.isprintable()]
    assert [char for char in found if char.isprintable()] == kept
    assert_valid_json_feed(write_json_feed(feed))


def test_a_long_sentence_has_a_short_title_and_no_line_in_it() -> None:
    sentence = "It\nsaid " + "much " * 200
    entry = assert_valid_atom(write_atom(make_feed(sentence))).find(f"{A}entry")
    assert entry is not None
    title = entry.findtext(f"{A}title") or ""
    assert title.startswith("It said much")
    assert title.endswith("…")
    assert len(title) <= 140
    assert entry.findtext(f"{A}content") == sentence


@pytest.mark.parametrize(
    ("address", "tag"),
    [
        ("https://node.example", "tag:node.example,2026:pfn/events/7"),
        ("https://Node.Example/plugins", "tag:node.example,2026:pfn/events/7"),
        ("http://127.0.0.1:8080", "tag:127.0.0.1,2026:pfn:8080/events/7"),
        ("http://[::1]:8080", "tag:0000-0000-0000-0000-0000-0000-0000-0001,2026:pfn:8080/events/7"),
    ],
)
def test_tags_are_of_the_nodes_origin(address: str, tag: str) -> None:
    assert make_tag(address, "events/7") == tag
    assert TAG.fullmatch(tag)
