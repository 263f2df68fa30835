import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signed import (
    NOW,
    OWNERSHIP,
    RELEASE,
    RELEASE_2,
    ROOT,
    ROOT_2,
    STRANGER,
    key_document,
    release_key,
    revoked,
)

from pfn.protocol.document import read_document, write_payload
from pfn.protocol.dsse import Envelope, key_id
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_document import PublisherDocument

FULL = key_document(
    roots=[ROOT, ROOT_2],
    threshold=2,
    version=7,
    previous="ab" * 32,
    release_keys=(release_key(RELEASE), release_key(RELEASE_2, not_before=5, not_after=9, slugs=("hello-world",))),
    revoked=(revoked(STRANGER, NOW), revoked(RELEASE, NOW)),
)


# The last character before the padding carries two bits that decode to nothing.
SECOND_SPELLING = ROOT_2.public_key.raw_base64[:-2] + chr(ord(ROOT_2.public_key.raw_base64[-2]) + 1) + "="


def read(payload: bytes) -> PublisherDocument:
    return read_document(PublisherDocument, Envelope(PublisherDocument.payload_type, payload, ()))


def changed(**members: object) -> bytes:
    return json.dumps(json.loads(write_payload(FULL)) | members).encode()


def test_what_is_written_reads_back():
    assert read(write_payload(FULL)) == FULL


def test_the_payload_is_compact_json_with_sorted_keys_and_without_what_is_absent():
    payload = write_payload(key_document())
    members = json.loads(payload)
    assert payload == json.dumps(members, sort_keys=True, separators=(",", ":")).encode()
    assert "previous" not in members
    assert members["root_keys"] == [{"id": key_id(ROOT.public_key), "key": ROOT.public_key.raw_base64}]
    assert "not_after" not in members["release_keys"][0]


def test_unknown_members_are_left_for_the_future():
    assert read(changed(hologram={"x": [1.5, None]})) == FULL


def test_absent_and_null_are_the_same():
    assert read(write_payload(key_document())) == read(
        json.dumps(json.loads(write_payload(key_document())) | {"previous": None}).encode()
    )


def entry(key, **members):
    return {"id": key_id(key.public_key), "key": key.public_key.raw_base64} | members


@pytest.mark.parametrize(
    "members",
    [
        {"source": "alice@other.example"},
        {"source": "bob"},
        {"source": "@plugins.example.com"},
        {"instance_url": "https://plugins.example.com/"},
        {"instance_url": "HTTPS://plugins.example.com"},
        {"instance_url": "ftp://plugins.example.com"},
        {"version": 0},
        {"version": -1},
        {"version": "7"},
        {"version": 7.0},
        {"version": True},
        {"version": 2**31},
        {"version": 1},
        {"previous": None},
        {"previous": "AB" * 32},
        {"previous": "ab" * 31},
        {"previous": "ab" * 32 + "\n"},
        {"root_keys": []},
        {"root_keys": {}},
        {"root_keys": "ab"},
        {"root_keys": [entry(ROOT)]},
        {"root_keys": [entry(ROOT), entry(ROOT)]},
        {"root_keys": [entry(ROOT), entry(ROOT_2) | {"id": "00" * 32}]},
        {"root_keys": [entry(ROOT), {"id": key_id(ROOT_2.public_key)}]},
        {"root_keys": [entry(ROOT), entry(ROOT_2) | {"key": ROOT_2.public_key.pem}]},
        {"root_keys": [entry(ROOT), entry(ROOT_2) | {"key": ROOT_2.public_key.raw_base64.rstrip("=")}]},
        {"root_keys": [entry(ROOT), entry(ROOT_2) | {"key": SECOND_SPELLING}]},
        {"root_keys": [entry(ROOT), entry(RELEASE)]},
        {"root_keys": [entry(ROOT), entry(OWNERSHIP)]},
        {"root_keys": [entry(ROOT), entry(STRANGER)]},
        {"threshold": 0},
        {"threshold": 3},
        {"threshold": None},
        {"release_keys": None},
        {"release_keys": [entry(RELEASE)]},
        {"release_keys": [entry(RELEASE, not_before=9, not_after=9)]},
        {"release_keys": [entry(RELEASE, not_before=-1)]},
        {"release_keys": [entry(RELEASE, not_before=0, slugs=[])]},
        {"release_keys": [entry(RELEASE, not_before=0, slugs=["Hello"])]},
        {"release_keys": [entry(RELEASE, not_before=0, slugs=[7])]},
        {"release_keys": [entry(RELEASE, not_before=0, slugs="hello")]},
        {"release_keys": [entry(OWNERSHIP, not_before=0)]},
        {"release_keys": [entry(RELEASE, not_before=0), entry(RELEASE, not_before=5)]},
        {"ownership_keys": [entry(STRANGER)]},
        {"revoked": [{"id": key_id(RELEASE.public_key), "reason": "", "compromised_since": 1}] * 2},
        {"revoked": [{"id": "short", "reason": "", "compromised_since": 1}]},
        {"revoked": [{"id": "00" * 32, "compromised_since": 1}]},
        {"revoked": [{"id": "00" * 32, "reason": "r" * 501, "compromised_since": 1}]},
        {"expires": None},
        {"expires": 253_402_300_800},
    ],
    ids=lambda members: json.dumps(members)[:70],
)
def test_a_document_that_breaks_a_rule_is_refused_with_a_sentence(members):
    with pytest.raises(PfnError) as refused:
        read(changed(**members))
    assert refused.value.code is Code.PUBLISHER_DOCUMENT
    assert refused.value.detail.startswith("The key document is wrong at ")


@pytest.mark.parametrize("payload", [b"", b"[]", b"null", b"{", b'{"version":1,"version":1}', b"\xff"])
def test_what_is_no_object_is_refused(payload):
    with pytest.raises(PfnError) as refused:
        read(payload)
    assert refused.value.code is Code.PUBLISHER_DOCUMENT


def test_a_key_under_which_one_signature_fits_all_is_refused():
    weak = {"id": "01" * 32, "key": "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}
    with pytest.raises(PfnError, match="small-order"):
        read(changed(root_keys=[entry(ROOT), weak]))


def test_another_payload_type_is_another_document():
    with pytest.raises(PfnError) as refused:
        read_document(PublisherDocument, Envelope("application/vnd.pfn.catalog+json", write_payload(FULL), ()))
    assert refused.value.code is Code.DOCUMENT_TYPE


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    ),
    st.sampled_from(sorted(json.loads(write_payload(FULL)))),
)
def test_no_value_anywhere_raises_anything_else(value, member):
    with contextlib.suppress(PfnError):
        assert read(changed(**{member: value})).source == FULL.source
