import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signed import RELEASE, ROOT, ROOT_2, STRANGER

from pfn.protocol.dsse import (
    MAX_SIGNATURES,
    Envelope,
    Signature,
    add_signatures,
    key_id,
    pae,
    parse_envelope,
    sign_envelope,
    signers,
    write_envelope,
)
from pfn.protocol.ed25519 import PublicKey, SigningKey
from pfn.protocol.errors import Code, PfnError

PUBLIC = [ROOT.public_key, ROOT_2.public_key]
SIGNATURE = {"keyid": "a", "sig": "AAAA"}


def test_the_encoding_is_the_specifications_own_vector():
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def test_lengths_are_counted_in_bytes():
    assert pae("é", "ü".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\xbc"


def test_a_key_id_is_the_sha256_of_the_raw_key():
    # RFC 8032, test 1.
    raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert key_id(PublicKey(raw)) == "21fe31dfa154a261626bf854046fd2271b7bed4b6abe45aa58877ef47f9721b9"


@given(
    payload_type=st.text(st.characters(codec="utf-8"), min_size=1, max_size=40),
    payload=st.binary(max_size=200),
    seeds=st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=4, unique=True),
)
def test_what_is_signed_and_written_reads_back_and_verifies(payload_type, payload, seeds):
    keys = [SigningKey(seed) for seed in seeds]
    envelope = sign_envelope(payload_type, payload, keys)
    read = parse_envelope(write_envelope(envelope))
    assert read == envelope
    assert signers(read, [key.public_key for key in keys]) == {key_id(key.public_key) for key in keys}


def test_only_keys_that_signed_are_signers():
    envelope = sign_envelope("t", b"payload", [ROOT, STRANGER])
    assert signers(envelope, PUBLIC) == {key_id(ROOT.public_key)}


def test_a_second_holder_adds_a_signature_to_the_same_payload():
    envelope = add_signatures(parse_envelope(write_envelope(sign_envelope("t", b"p", [ROOT]))), [ROOT_2])
    assert signers(envelope, PUBLIC) == {key_id(key) for key in PUBLIC}


def test_signing_twice_with_one_key_leaves_one_signature():
    assert len(add_signatures(sign_envelope("t", b"p", [ROOT]), [ROOT]).signatures) == 1


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda e: Envelope("other", e.payload, e.signatures), id="type"),
        pytest.param(lambda e: Envelope(e.payload_type, b"other", e.signatures), id="payload"),
        pytest.param(
            lambda e: Envelope(e.payload_type, e.payload, (Signature("x", e.signatures[0].value),)), id="no such key"
        ),
        pytest.param(
            lambda e: Envelope(
                e.payload_type, e.payload, (Signature(key_id(ROOT_2.public_key), e.signatures[0].value),)
            ),
            id="another key's id",
        ),
        pytest.param(
            lambda e: Envelope(
                e.payload_type,
                e.payload,
                (Signature(key_id(ROOT.public_key), ROOT.sign(e.payload)),),
            ),
            id="a raw signature over the payload",
        ),
    ],
)
def test_a_signature_counts_for_one_type_one_payload_and_the_key_it_names(other):
    assert signers(other(sign_envelope("t", b"payload", [ROOT])), PUBLIC) == frozenset()


def test_signatures_of_other_kinds_do_no_harm():
    members = json.loads(write_envelope(sign_envelope("t", b"p", [ROOT])))
    post_quantum = {"sig": base64.b64encode(bytes(2420)).decode(), "keyid": "ml-dsa-44", "cert": {"any": [1]}}
    members["signatures"] += [post_quantum, {"sig": "AAAA"}, {"sig": "AAAA", "keyid": ""}]
    members["note"] = {"unknown": "members are ignored"}
    assert signers(parse_envelope(json.dumps(members).encode()), PUBLIC) == {key_id(ROOT.public_key)}


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([], id="a list"),
        pytest.param({"payloadType": "t", "signatures": [SIGNATURE]}, id="no payload"),
        pytest.param({"payload": 1, "payloadType": "t", "signatures": [SIGNATURE]}, id="payload a number"),
        pytest.param({"payload": "QQ", "payloadType": "t", "signatures": [SIGNATURE]}, id="no padding"),
        pytest.param({"payload": "QR==", "payloadType": "t", "signatures": [SIGNATURE]}, id="stray bits"),
        pytest.param({"payload": "__8=", "payloadType": "t", "signatures": [SIGNATURE]}, id="the other alphabet"),
        pytest.param({"payload": "QUFB\n", "payloadType": "t", "signatures": [SIGNATURE]}, id="a line end"),
        pytest.param({"payload": "QQ==", "signatures": [SIGNATURE]}, id="no type"),
        pytest.param({"payload": "QQ==", "payloadType": "", "signatures": [SIGNATURE]}, id="empty type"),
        pytest.param({"payload": "QQ==", "payloadType": "t" * 256, "signatures": [SIGNATURE]}, id="long type"),
        pytest.param({"payload": "QQ==", "payloadType": "t"}, id="no signatures"),
        pytest.param({"payload": "QQ==", "payloadType": "t", "signatures": []}, id="not one signature"),
        pytest.param({"payload": "QQ==", "payloadType": "t", "signatures": SIGNATURE}, id="signatures an object"),
        pytest.param({"payload": "QQ==", "payloadType": "t", "signatures": ["AAAA"]}, id="signature a string"),
        pytest.param(
            {"payload": "QQ==", "payloadType": "t", "signatures": [{"keyid": 1, "sig": "AAAA"}]}, id="keyid a number"
        ),
        pytest.param({"payload": "QQ==", "payloadType": "t", "signatures": [{"keyid": "a"}]}, id="no sig"),
        pytest.param(
            {"payload": "QQ==", "payloadType": "t", "signatures": [{"keyid": "a", "sig": "A"}]}, id="sig no base64"
        ),
        pytest.param({"payload": "QQ==", "payloadType": "t", "signatures": [SIGNATURE] * 2}, id="one keyid twice"),
        pytest.param(
            {
                "payload": "QQ==",
                "payloadType": "t",
                "signatures": [{"keyid": str(n), "sig": "AAAA"} for n in range(MAX_SIGNATURES + 1)],
            },
            id="too many signatures",
        ),
    ],
)
def test_what_is_no_envelope_is_refused(members):
    with pytest.raises(PfnError) as refused:
        parse_envelope(json.dumps(members).encode())
    assert refused.value.code is Code.PUBLISHER_DOCUMENT


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"payload":"QQ==","payload":"Qg==","payloadType":"t","signatures":[{"keyid":"a","sig":"AAAA"}]}',
        b'{"payload":"QQ==","payloadType":"t","x":' + b"[" * 30 + b"]" * 30 + b',"signatures":[{"sig":"AAAA"}]}',
    ],
    ids=["empty", "broken", "a member twice", "deep"],
)
def test_json_of_two_meanings_is_refused(data):
    with pytest.raises(PfnError) as refused:
        parse_envelope(data)
    assert refused.value.code is Code.PUBLISHER_DOCUMENT


def test_an_envelope_is_read_up_to_a_size():
    data = write_envelope(sign_envelope("t", b"p" * 100, [ROOT]))
    assert parse_envelope(data, max_bytes=len(data)).payload == b"p" * 100
    with pytest.raises(PfnError):
        parse_envelope(data, max_bytes=len(data) - 1)


@given(data=st.data())
def test_whatever_byte_is_changed_the_envelope_is_refused_or_means_the_same(data):
    envelope = sign_envelope("application/vnd.in-toto+json", b'{"a":1}', [ROOT, RELEASE])
    written = bytearray(write_envelope(envelope))
    position = data.draw(st.integers(0, len(written) - 1))
    written[position] = data.draw(st.integers(0, 255))
    try:
        changed = parse_envelope(bytes(written))
    except PfnError:
        return
    if signers(changed, [*PUBLIC, RELEASE.public_key]):
        assert (changed.payload_type, changed.payload) == (envelope.payload_type, envelope.payload)
