import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signed import (
    DAY,
    NOW,
    OWNERSHIP,
    RELEASE,
    ROOT,
    SLUG,
    URL,
    catalog,
    key_document,
    listing,
    publisher,
    release_key,
    revoked,
    sign_document,
    statement_row,
)

from pfn.protocol.catalog import Catalog, check_listed, verify_catalog
from pfn.protocol.document import Head, write_payload
from pfn.protocol.dsse import parse_envelope, sign_envelope, write_envelope
from pfn.protocol.errors import Code, PfnError

ROW = statement_row(["1.0", "1.1"])
FULL = catalog(
    sequence=5,
    releases=(
        listing(ROW[1], version="1.1", sequence=2, url=f"{URL}/zips/{SLUG}-1.1.zip"),
        listing(ROW[0], slug="other"),
    ),
    yanked=({"slug": SLUG, "version": "1.0", "reason": "Loses data.", "at": NOW - 5},),
)
SIGNED = sign_document(FULL, RELEASE)
KNOWN = Head(5, SIGNED.payload_hash)


def verify(envelope, known=None, *, now=NOW, who=None):
    return verify_catalog(envelope, who or publisher(), known=known, now=now)


def code_of(call, *arguments, **options):
    with pytest.raises(PfnError) as refused:
        call(*arguments, **options)
    return refused.value.code


def signed(*keys, **changes):
    return sign_document(catalog(**{"sequence": 5} | changes), *(keys or [RELEASE]))


def test_what_is_signed_verifies_and_says_what_it_said():
    verdict = verify(parse_envelope(write_envelope(SIGNED)))
    assert verdict.catalog == FULL
    assert (verdict.head, verdict.key, verdict.stale) == (KNOWN, RELEASE.public_key, False)


def test_the_newest_and_the_yanked_are_found():
    assert FULL.find_release(SLUG) == FULL.releases[0]
    assert FULL.find_release("absent") is None
    assert FULL.find_yank(SLUG, "1.0") == FULL.yanked[0]
    assert FULL.find_yank(SLUG, "1.1") is None


@pytest.mark.parametrize(
    ("envelope", "known", "now", "outcome"),
    [
        pytest.param(SIGNED, None, NOW, False, id="the first seen"),
        pytest.param(SIGNED, Head(4, "00" * 32), NOW, False, id="the next"),
        pytest.param(SIGNED, Head(1, "00" * 32), NOW, False, id="some were never seen"),
        pytest.param(SIGNED, KNOWN, NOW, False, id="the same"),
        pytest.param(SIGNED, KNOWN, NOW + 13 * DAY - 1, False, id="the same at its last second"),
        pytest.param(SIGNED, KNOWN, NOW + 13 * DAY, True, id="the same, expired: stale"),
        pytest.param(SIGNED, None, NOW + 13 * DAY, Code.CATALOG_EXPIRED, id="the first seen, expired"),
        pytest.param(SIGNED, Head(4, "00" * 32), NOW + 13 * DAY, Code.CATALOG_EXPIRED, id="newer but expired"),
        pytest.param(SIGNED, Head(6, "00" * 32), NOW, Code.CATALOG_ROLLBACK, id="rollback"),
        pytest.param(SIGNED, Head(6, "00" * 32), NOW + 99 * DAY, Code.CATALOG_ROLLBACK, id="rollback, expired too"),
        pytest.param(SIGNED, Head(5, "00" * 32), NOW, Code.CATALOG_FORK, id="fork"),
        pytest.param(signed(publisher_version=2), None, NOW, Code.DOCUMENT_GAP, id="of a newer key document"),
        pytest.param(
            signed(source="bob@plugins.example.com"), None, NOW, Code.CATALOG_MISMATCH, id="another publisher's"
        ),
        pytest.param(signed(ROOT), None, NOW, Code.RELEASE_KEY_UNKNOWN, id="signed by a root key"),
        pytest.param(signed(OWNERSHIP), None, NOW, Code.RELEASE_KEY_UNKNOWN, id="signed by an ownership key"),
        pytest.param(ROW[0], None, NOW, Code.DOCUMENT_TYPE, id="a statement"),
        pytest.param(sign_document(key_document(), RELEASE), None, NOW, Code.DOCUMENT_TYPE, id="a key document"),
    ],
)
def test_what_is_believed(envelope, known, now, outcome):
    if isinstance(outcome, Code):
        assert code_of(verify, envelope, known, now=now) is outcome
    else:
        assert verify(envelope, known, now=now).stale is outcome


@pytest.mark.parametrize(
    ("who", "code"),
    [
        (publisher(expires=NOW), Code.DOCUMENT_EXPIRED),
        (publisher(release_keys=(release_key(RELEASE, slugs=(SLUG, "other")),)), Code.RELEASE_KEY_SCOPE),
        (publisher(release_keys=(release_key(RELEASE, not_after=NOW),)), Code.RELEASE_KEY_TIME),
        (publisher(revoked=(revoked(RELEASE, NOW - DAY),)), Code.RELEASE_KEY_REVOKED),
    ],
)
def test_a_key_that_may_not_sign_now_makes_no_catalogue(who, code):
    assert code_of(verify, SIGNED, who=who) is code


@pytest.mark.parametrize(
    "changes",
    [
        {"sequence": 0},
        {"expires": NOW - DAY},
        {"releases": None},
        {"releases": [FULL.releases[0].model_dump()] * 2},
        {"releases": [FULL.releases[0].model_dump() | {"version": "1.0"}]},
        {"yanked": [FULL.yanked[0].model_dump()] * 2},
        {"yanked": [FULL.yanked[0].model_dump() | {"reason": 1}]},
        *(
            {"releases": [FULL.releases[0].model_dump() | {"url": url}]}
            for url in (
                "zips/hello-world.zip",
                "//plugins.example.com/a.zip",
                "ftp://plugins.example.com/a.zip",
                "https://plugins.example.com",
                "https://plugins.example.com/",
                "https://PLUGINS.example.com/a.zip",
                "https://plugins.example.com:443/a.zip",
                "https://user@plugins.example.com/a.zip",
                "https://plugins.example.com/../a.zip",
                "https://plugins.example.com//a.zip",
                "https://plugins.example.com/a.zip?x",
                "https://plugins.example.com/a.zip#x",
                "https://plugins.example.com/a b.zip",
                "https://plugins.example.com\\@evil.example/a.zip",
            )
        ),
    ],
    ids=lambda changes: json.dumps(changes)[-60:],
)
def test_a_catalogue_that_breaks_a_rule_is_refused(changes):
    payload = json.dumps(json.loads(write_payload(FULL)) | changes).encode()
    assert code_of(verify, sign_envelope(Catalog.payload_type, payload, [RELEASE])) is Code.PUBLISHER_DOCUMENT


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:8080/a.zip",
        "https://github.com/alice/hello/releases/download/v1.0+b/hello%20world.zip",
        "https://[2001:db8::1]/a/b",
    ],
)
def test_a_zip_may_be_anywhere(url):
    assert listing(ROW[0], url=url).url == url


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ({"slug": SLUG, "version": "1.1", "head": Head(2, ROW[1].payload_hash)}, True),
        ({"slug": "absent", "version": "1.1", "head": Head(2, ROW[1].payload_hash)}, False),
        ({"slug": SLUG, "version": "1.0", "head": Head(1, ROW[0].payload_hash)}, False),
        ({"slug": SLUG, "version": "1.1", "head": Head(2, ROW[0].payload_hash)}, False),
        ({"slug": SLUG, "version": "1.1", "head": Head(1, ROW[1].payload_hash)}, False),
        ({"slug": SLUG, "version": "1.0", "head": Head(2, ROW[1].payload_hash)}, False),
    ],
)
def test_catalogue_and_statement_cannot_be_mixed_and_matched(asked, holds):
    if holds:
        check_listed(FULL, **asked)
    else:
        assert code_of(check_listed, FULL, **asked) is Code.CATALOG_MISMATCH


@given(data=st.data())
def test_whatever_byte_is_changed_the_catalogue_is_refused_or_the_same(data):
    written = bytearray(write_envelope(SIGNED))
    written[data.draw(st.integers(0, len(written) - 1))] = data.draw(st.integers(0, 255))
    try:
        verdict = verify(parse_envelope(bytes(written)))
    except PfnError:
        return
    assert verdict == verify(SIGNED)
