"""Signed notes: byte for byte, and whose signatures count."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import LOG, OTHER_LOG, WITNESSES
from tests.support.signed import key

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.note import (
    MAX_NOTE_BYTES,
    MAX_SIGNATURES,
    KeyType,
    Note,
    NoteSignature,
    NoteSigner,
    VerifierKey,
    add_signatures,
    is_key_name,
    parse_note,
    parse_signatures,
    parse_verifier_key,
    sign_note,
    verify_note,
    write_note,
)

# The example in the documentation of Go's note package.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
).encode()

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters=[chr(n) for n in range(32)])).map(
    lambda text: f"{text}\n"
)
NAMES = st.text(min_size=1, max_size=20).filter(is_key_name)


def code(call, *arguments) -> Code:
    with pytest.raises(PfnError) as caught:
        call(*arguments)
    assert isinstance(caught.value, SecurityError) == (caught.value.code is Code.LOG_SIGNATURE)
    return caught.value.code


def test_a_note_from_another_implementation():
    note = parse_note(EXAMPLE)
    neumann = parse_verifier_key(NEUMANN)
    assert verify_note(note, [neumann]) == (neumann,)
    assert (neumann.name, neumann.text, neumann.key_id.hex()) == ("PeterNeumann", NEUMANN, "c74f20a3")
    assert note.text == EXAMPLE.decode().rpartition("\n\n")[0] + "\n"
    assert write_note(note) == EXAMPLE


def test_the_id_of_a_key_depends_on_name_and_type():
    raw = LOG.key.public_key
    ids = {VerifierKey(name, raw, kind).key_id for name in ("a", "b") for kind in KeyType}
    assert len(ids) == 4


@given(st.lists(TEXTS, min_size=1, max_size=4).map("\n".join), st.lists(NAMES, unique=True, min_size=1, max_size=4))
def test_what_is_signed_is_read_and_holds(text, names):
    signers = [NoteSigner(name, key(name)) for name in names]
    data = write_note(sign_note(text, signers))
    note = parse_note(data)
    assert note.text == text
    assert verify_note(note, [signer.verifier_key for signer in signers]) == tuple(s.verifier_key for s in signers)
    assert write_note(note) == data
    assert parse_signatures("".join(one.line for one in note.signatures)) == note.signatures


@given(st.integers(0, len(EXAMPLE) * 8 - 1))
def test_a_note_with_one_bit_changed_is_not_believed(bit):
    changed = bytearray(EXAMPLE)
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PfnError) as caught:
        verify_note(parse_note(bytes(changed)), [parse_verifier_key(NEUMANN)])
    assert caught.value.code in {Code.LOG_MALFORMED, Code.LOG_SIGNATURE}


SIGNED = sign_note("text\n", [LOG])
LINE = SIGNED.signatures[0].line


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"\n\n",
        f"text\n{LINE}".encode(),
        f"\n{LINE}".encode(),
        f"text\n\n{LINE}".encode().rstrip(b"\n"),
        f"text\n\n{LINE}\n".encode(),
        f"text\n\n{LINE}more\n".encode(),
        f"text\n\n{LINE}— name\n".encode(),
        f"text\n\n{LINE}— name \n".encode(),
        f"text\n\n{LINE}— name AAAA\n".encode(),
        f"text\n\n{LINE}— name AAAAAA==\n".encode(),
        f"text\n\n{LINE}— name AAAAAAA\n".encode(),
        f"text\n\n{LINE}— name AAAAAAB=\n".encode(),
        f"text\n\n{LINE}— name AAAA-AA=\n".encode(),
        f"text\n\n{LINE}— name  AAAAAAA=\n".encode(),
        f"text\n\n{LINE}— two words AAAAAAA=\n".encode(),
        f"text\n\n{LINE}— a+b AAAAAAA=\n".encode(),
        f"text\n\n{LINE}— a\u00a0b AAAAAAA=\n".encode(),
        f"text\n\n{LINE}— a\u2028b AAAAAAA=\n".encode(),
        f"text\n\n{LINE}-- name AAAAAAA=\n".encode(),
        f"text\n\n{LINE}—name AAAAAAA=\n".encode(),
        f"te\txt\n\n{LINE}".encode(),
        f"te\0xt\n\n{LINE}".encode(),
        f"text\r\n\n{LINE}".encode(),
        f"text\n\n{LINE}".replace("\n", "\r\n").encode(),
        b"t\xffxt\n\n" + LINE.encode(),
        b"t\xed\xa0\x80xt\n\n" + LINE.encode(),
        b"t\xc0\x80xt\n\n" + LINE.encode(),
        ("text\n\n" + LINE * (MAX_SIGNATURES + 1)).encode(),
        b"t" * MAX_NOTE_BYTES + b"\n\n" + LINE.encode(),
    ],
    ids=repr,
)
def test_what_is_no_note(data):
    assert code(parse_note, data) is Code.LOG_MALFORMED


@pytest.mark.parametrize(
    "text", ["text\n", "a\n\nb\n", "\n", "\n\n\n", "— looks like AAAAAAA=\n", "\x7f\u2028\ufeff\n"]
)
def test_the_text_ends_at_the_last_blank_line(text):
    note = parse_note(write_note(sign_note(text, [LOG])))
    assert note.text == text
    verify_note(note, [LOG.verifier_key])


def test_a_text_ends_in_a_newline():
    with pytest.raises(ValueError, match="newline"):
        sign_note("text", [LOG])


UNKNOWN = NoteSignature("somebody", b"abcd", b"what is it")


class TestVerifying:
    def test_signatures_by_unknown_keys_are_ignored_and_kept(self):
        note = add_signatures(SIGNED, [UNKNOWN])
        assert verify_note(note, [LOG.verifier_key, OTHER_LOG.verifier_key]) == (LOG.verifier_key,)
        assert parse_note(write_note(note)).signatures == (*SIGNED.signatures, UNKNOWN)

    def test_a_post_quantum_signature_is_kept_too(self):
        long = NoteSignature("somebody", b"abcd", bytes(2428))
        note = add_signatures(SIGNED, [long] + [NoteSignature(f"w{n}", b"abcd", bytes(2428)) for n in range(40)])
        assert parse_note(write_note(note)) == note

    @pytest.mark.parametrize(
        "wrong",
        [
            NoteSignature(LOG.name, b"abcd", SIGNED.signatures[0].value),
            NoteSignature("other", SIGNED.signatures[0].key_id, SIGNED.signatures[0].value),
        ],
    )
    def test_name_and_id_must_both_be_known(self, wrong):
        assert code(verify_note, Note("text\n", (wrong,)), [LOG.verifier_key]) is Code.LOG_SIGNATURE
        assert verify_note(Note("text\n", (wrong, *SIGNED.signatures)), [LOG.verifier_key])

    def test_a_known_key_that_fails_refuses_the_note_whoever_else_signed(self):
        bad = NoteSignature(OTHER_LOG.name, OTHER_LOG.verifier_key.key_id, bytes(64))
        note = add_signatures(SIGNED, [bad])
        assert code(verify_note, note, [LOG.verifier_key, OTHER_LOG.verifier_key]) is Code.LOG_SIGNATURE
        assert verify_note(note, [LOG.verifier_key])

    def test_a_second_signature_by_the_same_key_must_hold_too(self):
        bad = NoteSignature(LOG.name, LOG.verifier_key.key_id, bytes(64))
        for signatures in ((bad, *SIGNED.signatures), (*SIGNED.signatures, bad)):
            assert code(verify_note, Note("text\n", signatures), [LOG.verifier_key]) is Code.LOG_SIGNATURE

    def test_somebody_must_have_signed(self):
        assert code(verify_note, SIGNED, []) is Code.LOG_SIGNATURE
        assert code(verify_note, SIGNED, [OTHER_LOG.verifier_key]) is Code.LOG_SIGNATURE

    def test_a_signature_over_another_text_does_not_count(self):
        assert code(verify_note, Note("other\n", SIGNED.signatures), [LOG.verifier_key]) is Code.LOG_SIGNATURE

    def test_a_witness_does_not_sign_notes(self):
        with pytest.raises(ValueError, match="cosignatures"):
            verify_note(SIGNED, [WITNESSES[0].verifier_key])

    def test_signing_again_replaces(self):
        assert add_signatures(SIGNED, SIGNED.signatures) == SIGNED
        assert len(add_signatures(SIGNED, [UNKNOWN, UNKNOWN]).signatures) == 2


def encoded(*parts: bytes) -> str:
    return base64.b64encode(b"".join(parts)).decode()


RAW = LOG.key.public_key.raw


@pytest.mark.parametrize(
    "text",
    [
        "",
        "PeterNeumann",
        NEUMANN.replace("c74f20a3", "c74f20a4"),
        NEUMANN.replace("c74f20a3", "C74F20A3"),
        NEUMANN.replace("c74f20a3", "74f20a3"),
        NEUMANN.replace("PeterNeumann", "Peter"),
        NEUMANN.replace("PeterNeumann", "Peter Neumann"),
        NEUMANN.replace("PeterNeumann", ""),
        NEUMANN + "\n",
        " " + NEUMANN,
        NEUMANN + "=",
        NEUMANN + "A" * 5000,
        f"a+00000000+{encoded(b'', RAW)}",
        f"a+00000000+{encoded(bytes([1]), RAW[:-1])}",
        f"a+00000000+{encoded(bytes([2]), RAW)}",
        f"a+00000000+{encoded(bytes([6]), RAW)}",
        f"a+00000000+{encoded(bytes([1]), bytes(32))}",
    ],
)
def test_what_is_no_verifier_key(text):
    assert code(parse_verifier_key, text) is Code.INVALID_KEY


@pytest.mark.parametrize("name", ["", "a b", "a+b", "a\nb", "a\u3000b", "a\x85b", "a\x01b"])
def test_what_is_no_name(name):
    assert not is_key_name(name)
    assert code(VerifierKey, name, LOG.key.public_key) is Code.INVALID_KEY


@given(NAMES, st.sampled_from(KeyType))
def test_verifier_keys_are_written_and_read(name, kind):
    written = VerifierKey(name, LOG.key.public_key, kind)
    assert parse_verifier_key(written.text) == written
