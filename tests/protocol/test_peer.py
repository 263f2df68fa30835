"""Two nodes that meet: one spelling of the challenge, nothing else signed, no keys that belong to another."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.peers import NOW, describe_node, make_key

from pfn.protocol.dsse import pae
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import Checkpoint
from pfn.protocol.log.cosignature import Cosigner
from pfn.protocol.log.note import NoteSigner
from pfn.protocol.peer import (
    NodeDescription,
    check_peer_proof,
    new_peer_challenge,
    read_greeting,
    read_held_state,
    read_node_description,
    read_peer_proof,
    sign_peer_challenge,
)

ASKING = "https://asking.example.org"
IDENTITY, LOG, WITNESS, OTHER = (make_key(number) for number in range(3, 7))
NODE = describe_node()


def seven(length: int) -> bytes:
    return b"\x07" * length


def challenge(node: NodeDescription = NODE, *, asking: str = ASKING, now: int = NOW):
    return new_peer_challenge(node, asking=asking, now=now, random_bytes=seven)


TEXT = challenge().text


def prove(text: str, *, now: int = NOW) -> bytes:
    return base64.b64decode(sign_peer_challenge(text, IDENTITY, own=NODE, now=now))


def test_the_challenge_is_seven_lines():
    lines = (
        "pfn-peer-v1\n"
        "https://node1.example.org\n"
        "https://asking.example.org\n"
        f"{NODE.log_key.text}\n"
        f"{NODE.witness_key.text}\n"
        "0707070707070707070707070707070707070707070707070707070707070707\n"
        "1800000000\n"
    )
    assert lines == TEXT


@pytest.mark.parametrize("at", [NOW - 300, NOW, NOW + 300])
def test_a_node_proves_itself(at: int):
    asked = challenge(now=at)
    check_peer_proof(NODE, asked, prove(asked.text))


STOLEN_LOG = describe_node(log_key=NoteSigner("node1.example.org/pfn", OTHER).verifier_key)
STOLEN_WITNESS = describe_node(witness_key=Cosigner("node1.example.org/witness", OTHER).verifier_key)


@pytest.mark.parametrize(
    "text",
    [
        challenge(now=NOW - 301).text,
        challenge(now=NOW + 301).text,
        challenge(describe_node(url="https://another.example.org")).text,
        challenge(describe_node(url="http://node1.example.org")).text,
        challenge(STOLEN_LOG).text,
        challenge(STOLEN_WITNESS).text,
        challenge(asking=NODE.url).text,
        "",
        "hello",
        TEXT.rstrip("\n"),
        TEXT + "\n",
        TEXT.replace("\n", "\r\n"),
        TEXT.replace("v1", "v2", 1),
        TEXT.replace("07" * 32, "07" * 31),
        TEXT.replace("07" * 32, "0A" * 32),
        TEXT.replace("1800000000", "01800000000"),
        TEXT.replace("1800000000", "١٨٠٠٠٠٠٠٠٠"),
        TEXT.replace("https://asking", "asking"),
        Checkpoint("node1.example.org/pfn", 5, b"\0" * 32).text,
        "cosignature/v1\ntime 1800000000\n" + Checkpoint("node1.example.org/pfn", 5, b"\0" * 32).text,
        pae("application/vnd.pfn.publisher+json", b"{}").decode(),
    ],
)
def test_nothing_else_is_signed(text: str):
    with pytest.raises(SecurityError) as refused:
        prove(text)
    assert refused.value.code is Code.OWNERSHIP_CHALLENGE


@given(st.text() | st.integers(0, len(TEXT) - 1).map(lambda position: TEXT[:position] + TEXT[position + 1 :]))
def test_no_other_text_is_signed(text: str):
    # A nonce, a time or the other's address may be shorter by a character; what is signed is then just that text.
    try:
        signature = prove(text)
    except SecurityError:
        return
    assert text.startswith("pfn-peer-v1\nhttps://node1.example.org\n")
    with pytest.raises(SecurityError):
        check_peer_proof(NODE, challenge(), signature)


def test_only_its_own_key_proves_it():
    forged = OTHER.sign(TEXT.encode())
    old = prove(challenge(now=NOW - 10).text)
    for signature in (forged, old, LOG.sign(TEXT.encode()), b"\0" * 64):
        with pytest.raises(SecurityError) as refused:
            check_peer_proof(NODE, challenge(), signature)
        assert refused.value.code is Code.PEER_PROOF


def test_a_description_reads_back():
    document = NODE.to_json()
    assert document["identity_key"] == IDENTITY.public_key.pem
    assert document["log_key"] == NODE.log_key.text
    assert read_node_description(json.dumps(document | {"later": "member"}).encode()) == NODE


WRONG = [
    {"url": "https://node1.example.org/"},
    {"url": "https://NODE.example.org"},
    {"url": "node1.example.org"},
    {"url": 5},
    {"name": ""},
    {"name": "two\nlines"},
    {"name": "\u202eemaN"},
    {"operator": "x" * 201},
    {"origin": "another.example.org/pfn"},
    {"origin": "with space"},
    {"identity_key": "no key"},
    {"identity_key": LOG.public_key.pem},
    {"identity_key": None},
    {"log_key": "nothing"},
    {"log_key": Cosigner("node1.example.org/pfn", LOG).verifier_key.text},
    {"log_key": NoteSigner("node1.example.org/pfn", WITNESS).verifier_key.text},
    {"witness_key": NoteSigner("node1.example.org/witness", WITNESS).verifier_key.text},
    {"version": 1},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_wrong_description_is_refused(wrong: dict[str, object]):
    with pytest.raises(PfnError) as refused:
        read_node_description(json.dumps(NODE.to_json() | wrong).encode())
    assert refused.value.code is Code.PEER_ANSWER


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b'{"name": "a", "name": "b"}', b"{" * 100, b" " * 20_000 + b"{}"]
)
def test_what_is_no_description_is_refused(body: bytes):
    for read in (read_node_description, read_peer_proof, read_held_state, read_greeting):
        with pytest.raises(PfnError) as refused:
            read(body)
        assert refused.value.code is Code.PEER_ANSWER


def test_short_answers_read():
    assert read_peer_proof(b'{"signature": "' + base64.b64encode(bytes(64)) + b'"}') == bytes(64)
    assert read_greeting(b'{"status": "proposed"}') == "proposed"
    held = read_held_state(b'{"digest": "' + b"a" * 64 + b'", "count": 3}')
    assert (held.source, held.digest, held.count) == (None, "a" * 64, 3)
    for body in (b'{"signature": "AAAA"}', b'{"signature": 5}'):
        with pytest.raises(PfnError):
            read_peer_proof(body)
    for body in (b'{"digest": "A", "count": 3}', b'{"digest": "' + b"a" * 64 + b'", "count": -1}'):
        with pytest.raises(PfnError):
            read_held_state(body)
