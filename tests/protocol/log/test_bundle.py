"""The bundle as a document."""

import json
from dataclasses import replace

import pytest
from tests.protocol.log.bundles import Logged
from tests.support.signed import NOW, SLUG, SOURCE

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.bundle import Bundle, parse_bundle, write_bundle
from pfn.protocol.log.entry import YankLeaf

YANK = YankLeaf(at=NOW, source=SOURCE, slug=SLUG, version="0.9", catalog="a" * 64)
BUNDLE = Logged(notices=[YANK]).bundle()
WRITTEN = json.loads(write_bundle(BUNDLE))


def test_what_was_written_is_read():
    assert parse_bundle(write_bundle(BUNDLE)) == BUNDLE


@pytest.mark.parametrize("name", ["statement", "catalog", "release_entry", "catalog_entry"])
def test_a_piece_may_be_missing(name):
    bundle = replace(BUNDLE, **{name: None})
    assert name not in json.loads(write_bundle(bundle))
    assert parse_bundle(write_bundle(bundle)) == bundle


def test_the_least_there_can_be():
    assert parse_bundle(write_bundle(Bundle("a" * 64))) == Bundle("a" * 64)
    assert parse_bundle(json.dumps({"format": "pfn-bundle-v1", "sha256": "a" * 64}).encode()) == Bundle("a" * 64)


def test_the_members():
    assert list(WRITTEN) == [
        "format",
        "sha256",
        "publisher",
        "statement",
        "catalog",
        "release_entry",
        "catalog_entry",
        "notices",
    ]
    assert WRITTEN["release_entry"]["leaf"].encode() == BUNDLE.release_entry.leaf
    assert WRITTEN["release_entry"]["proof"].startswith("c2sp.org/tlog-proof@v1\nindex 20\n")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"format": "pfn-bundle-v2"}, Code.LOG_MALFORMED),
        ({"format": None}, Code.LOG_MALFORMED),
        ({"more": 1}, Code.LOG_MALFORMED),
        ({"sha256": "A" * 64}, Code.LOG_MALFORMED),
        ({"sha256": "a" * 65}, Code.LOG_MALFORMED),
        ({"sha256": None}, Code.LOG_MALFORMED),
        ({"publisher": {}}, Code.LOG_MALFORMED),
        ({"publisher": WRITTEN["publisher"] * 1001}, Code.LOG_MALFORMED),
        ({"publisher": [1]}, Code.PUBLISHER_DOCUMENT),
        ({"statement": None}, Code.PUBLISHER_DOCUMENT),
        ({"statement": {}}, Code.PUBLISHER_DOCUMENT),
        ({"catalog": "text"}, Code.PUBLISHER_DOCUMENT),
        ({"release_entry": None}, Code.LOG_MALFORMED),
        ({"release_entry": {"leaf": "{}"}}, Code.LOG_MALFORMED),
        ({"release_entry": {"leaf": "{}", "proof": "x"}}, Code.LOG_MALFORMED),
        ({"release_entry": {"leaf": 1, "proof": WRITTEN["release_entry"]["proof"]}}, Code.LOG_MALFORMED),
        ({"release_entry": {**WRITTEN["release_entry"], "more": 1}}, Code.LOG_MALFORMED),
        ({"notices": WRITTEN["notices"] * 101}, Code.LOG_MALFORMED),
    ],
)
def test_what_is_no_bundle(changes, code):
    with pytest.raises(PfnError) as caught:
        parse_bundle(json.dumps({**WRITTEN, **changes}).encode())
    assert caught.value.code is code


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"format":"pfn-bundle-v1","format":"pfn-bundle-v1"}'])
def test_what_is_no_object(data):
    with pytest.raises(PfnError) as caught:
        parse_bundle(data)
    assert caught.value.code is Code.LOG_MALFORMED
