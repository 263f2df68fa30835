"""Cosignatures: the exact message, and which count."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import LOG, WITNESSES, cosigned, signed
from tests.support.signed import NOW

from pfn.protocol.ed25519 import verify
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.log.cosignature import LARGEST_COSIGNED_TIME, Cosignature, Cosigner, cosign, verify_cosignatures
from pfn.protocol.log.note import Note, NoteSignature, add_signatures, parse_note, write_note

NOTE = signed(5)
ONE, TWO, *_ = WITNESSES
KEYS = [witness.verifier_key for witness in WITNESSES]


def refused(note: Note) -> None:
    with pytest.raises(SecurityError) as caught:
        verify_cosignatures(note, KEYS)
    assert caught.value.code is Code.WITNESS_SIGNATURE


def test_the_signed_message():
    signature = cosign(NOTE, ONE, 1679315147)
    assert signature.key_id == ONE.verifier_key.key_id
    assert signature.value[:8] == (1679315147).to_bytes(8, "big")
    message = f"cosignature/v1\ntime 1679315147\n{NOTE.text}".encode()
    assert verify(ONE.key.public_key, message, signature.value[8:])


@given(st.integers(0, LARGEST_COSIGNED_TIME))
def test_what_is_cosigned_holds(at):
    note = parse_note(write_note(cosigned(NOTE, [ONE], at)))
    assert verify_cosignatures(note, KEYS) == (Cosignature(ONE.verifier_key, at),)


@given(st.integers(0, (8 + 64) * 8 - 1))
def test_one_with_one_bit_changed_does_not(bit):
    good = cosign(NOTE, ONE, NOW)
    value = bytearray(good.value)
    value[bit // 8] ^= 1 << bit % 8
    refused(add_signatures(NOTE, [NoteSignature(good.name, good.key_id, bytes(value))]))


@pytest.mark.parametrize("value", [b"", b"\0" * 8, bytes(71), bytes(73), b"\xff" * 8 + bytes(64)])
def test_one_of_another_length(value):
    refused(add_signatures(NOTE, [NoteSignature(ONE.name, ONE.verifier_key.key_id, value)]))


def test_a_time_that_is_too_large():
    at = LARGEST_COSIGNED_TIME + 1
    refused(cosigned(NOTE, [ONE], at))


def test_unknown_ones_are_ignored():
    note = cosigned(NOTE, [ONE, TWO])
    assert verify_cosignatures(note, []) == ()
    assert verify_cosignatures(note, [TWO.verifier_key]) == (Cosignature(TWO.verifier_key, NOW),)
    assert verify_cosignatures(NOTE, KEYS) == ()


def test_one_bad_one_refuses_the_note():
    bad = NoteSignature(TWO.name, TWO.verifier_key.key_id, cosign(NOTE, ONE, NOW).value)
    refused(add_signatures(cosigned(NOTE, [ONE]), [bad]))


def test_the_newest_of_several_by_one_witness_counts():
    lines = tuple(cosign(NOTE, ONE, at) for at in (NOW - 5, NOW, NOW - 9))
    assert verify_cosignatures(Note(NOTE.text, lines), KEYS) == (Cosignature(ONE.verifier_key, NOW),)


def test_one_for_another_tree():
    moved = cosigned(NOTE, [ONE]).signatures
    refused(Note(signed(6).text, moved))


def test_the_logs_own_signature_is_no_cosignature():
    assert verify_cosignatures(NOTE, [Cosigner(LOG.name, LOG.key).verifier_key]) == ()
    with pytest.raises(ValueError, match="signs notes"):
        verify_cosignatures(NOTE, [LOG.verifier_key])
