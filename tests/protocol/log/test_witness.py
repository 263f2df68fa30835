"""Both ends of ``add-checkpoint``."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import (
    LOG,
    ORIGIN,
    OTHER_LOG,
    WITNESSES,
    checkpoint,
    cosigned,
    hashed,
    naive_proof,
    signed,
    tiled,
)
from tests.support.signed import NOW, key

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from pfn.protocol.log.cosignature import Cosignature, cosign
from pfn.protocol.log.merkle import EMPTY_ROOT
from pfn.protocol.log.note import Note, NoteSignature, NoteSigner, add_signatures, sign_note, write_note
from pfn.protocol.log.witness import (
    AddCheckpoint,
    SizeConflictError,
    judge_checkpoint,
    parse_add_checkpoint,
    read_answer,
    write_add_checkpoint,
    write_answer,
)

KEYS = [LOG.verifier_key, OTHER_LOG.verifier_key]
ONE = WITNESSES[0]


def request(old: int, new: int, label: str = "leaf", **changes) -> AddCheckpoint:
    proof = naive_proof(old, hashed(new, label)) if 0 < old <= new else []
    members = {"old": old, "proof": tuple(proof), "note": signed(new, label)}
    return AddCheckpoint(**members | changes)


def test_the_body_of_a_request():
    body = write_add_checkpoint(request(3, 5))
    head, _, note = body.decode().partition("\n\n")
    assert head.split("\n")[0] == "old 3"
    assert len(head.split("\n")) == 1 + len(naive_proof(3, hashed(5)))
    assert note.encode() == write_note(signed(5))
    assert write_add_checkpoint(request(0, 5)).startswith(b"old 0\n\nnode.example.com/pfn\n5\n")


@given(st.integers(0, 2**63 - 1), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_what_was_written_is_read(old, proof):
    sent = AddCheckpoint(old, tuple(proof), signed(5))
    assert parse_add_checkpoint(write_add_checkpoint(sent)) == sent


GOOD = write_add_checkpoint(request(3, 5)).decode()


@pytest.mark.parametrize(
    "body",
    [
        "",
        "\n",
        "old 3\n",
        GOOD.replace("old 3", "old 03"),
        GOOD.replace("old 3", "old -3"),
        GOOD.replace("old 3", "old  3"),
        GOOD.replace("old 3", "old 3 "),
        GOOD.replace("old 3", "3"),
        GOOD.replace("old 3", f"old {2**63}"),
        GOOD.replace("old 3\n", "old 3\nAAAA\n"),
        GOOD.replace("old 3\n", "old 3\n" + ("A" * 43 + "=\n") * 62),
        GOOD.replace("\n\n", "\n", 1),
        GOOD.replace("\n", "\r\n"),
        GOOD[:-1],
        GOOD + "\n",
        GOOD + "x",
        "\n" + GOOD,
        GOOD.partition("\n\n")[0] + "\n\n" + signed(5).text,
        write_add_checkpoint(request(3, 5, note=sign_note("text\n", [LOG]))).decode(),
    ],
)
def test_a_body_that_is_malformed(body):
    with pytest.raises(PfnError) as caught:
        judge_checkpoint(parse_add_checkpoint(body.encode()), logs=KEYS, known=tiled(3)[0])
    assert (caught.value.code, caught.value.code.status) == (Code.LOG_MALFORMED, 400)


FORGED = sign_checkpoint(checkpoint(5), NoteSigner(ORIGIN, key("stranger")))
BAD_LINE = add_signatures(signed(5), [NoteSignature(ORIGIN, LOG.verifier_key.key_id, bytes(64))])
NOT_EMPTY = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), LOG)
THIRD = NoteSigner("third.example/pfn", key("third"))
UNKNOWN = sign_checkpoint(Checkpoint(THIRD.name, 5, bytes(32)), THIRD)


@pytest.mark.parametrize(
    ("sent", "known", "status"),
    [
        pytest.param(request(0, 5), None, 200, id="the first"),
        pytest.param(request(0, 0), None, 200, id="the empty tree"),
        pytest.param(request(0, 5), 0, 200, id="after the empty tree"),
        pytest.param(request(3, 5), 3, 200, id="growth"),
        pytest.param(request(4, 5), 4, 200, id="growth from a power of two"),
        pytest.param(request(5, 5), 5, 200, id="the same again"),
        pytest.param(request(5, 5, note=cosigned(signed(5))), 5, 200, id="with cosignatures"),
        pytest.param(request(6, 5), 6, 400, id="old above new"),
        pytest.param(request(6, 5, note=UNKNOWN), None, 400, id="old above new, of an unknown log"),
        pytest.param(request(0, 5, note=UNKNOWN), None, 404, id="unknown log"),
        pytest.param(request(3, 5, note=FORGED), 3, 403, id="signed by a stranger"),
        pytest.param(request(2, 5, note=FORGED), 3, 403, id="signed by a stranger, before the size is told"),
        pytest.param(request(3, 5, note=BAD_LINE), 3, 403, id="a known key's signature fails"),
        pytest.param(request(3, 5, note=Note(signed(5).text, cosigned(signed(5)).signatures[1:])), 3, 403, id="no log"),
        pytest.param(request(2, 5), 3, 409, id="another old size"),
        pytest.param(request(0, 5), 3, 409, id="old 0 to learn the size"),
        pytest.param(request(3, 5), None, 409, id="never seen"),
        pytest.param(request(3, 4), 5, 409, id="a smaller tree"),
        pytest.param(request(3, 5, proof=()), 3, 422, id="no proof"),
        pytest.param(request(3, 5, "other"), 3, 422, id="a fork"),
        pytest.param(request(5, 5, "other"), 5, 422, id="the same size, another root"),
        pytest.param(request(5, 5, proof=(bytes(32),)), 5, 422, id="a proof for the same size"),
        pytest.param(request(0, 5, proof=(bytes(32),)), None, 422, id="a proof with old 0"),
        pytest.param(request(0, 0, note=NOT_EMPTY), None, 422, id="size 0 with a root that is not the empty one"),
    ],
)
def test_the_decision(sent, known, status):
    head = None if known is None else tiled(known)[0]
    sent = parse_add_checkpoint(write_add_checkpoint(sent))
    if status == 200:
        assert judge_checkpoint(sent, logs=KEYS, known=head).text == sent.note.text
        return
    with pytest.raises(PfnError) as caught:
        judge_checkpoint(sent, logs=KEYS, known=head)
    assert caught.value.code.status == status
    assert isinstance(caught.value, SecurityError) == (status in {403, 422})
    if isinstance(caught.value, SizeConflictError):
        assert caught.value.body == b"%d\n" % (known or 0)
    else:
        assert status != 409


def test_a_fork_is_named():
    with pytest.raises(SecurityError) as caught:
        judge_checkpoint(request(5, 5, "other"), logs=KEYS, known=tiled(5)[0])
    assert caught.value.code is Code.LOG_FORK


@given(st.data())
def test_whatever_is_sent_no_witness_goes_back_or_aside(data):
    known = TreeHead(0, EMPTY_ROOT)
    label = None
    for _ in range(data.draw(st.integers(1, 6))):
        sent_label = data.draw(st.sampled_from(["leaf", "other"]))
        old, new = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 9))
        sent = request(old, new, sent_label)
        try:
            judged = judge_checkpoint(sent, logs=KEYS, known=known)
        except PfnError:
            continue
        assert judged.size >= known.size
        if known.size:
            assert sent_label == label
        label, known = sent_label, judged.head


NOTE = signed(5)
COSIGNED = cosign(NOTE, ONE, NOW)


def answer(status: int, body: bytes):
    return read_answer(status, body, note=NOTE, witness=ONE.verifier_key)


def test_a_good_answer():
    other_key = NoteSignature(ONE.name, b"abcd", b"what is it")
    body = write_answer([other_key, COSIGNED, cosign(NOTE, WITNESSES[1], NOW)])
    assert body.decode().count("\n") == 3
    found = answer(200, body)
    assert found.signature == COSIGNED
    assert found.cosignature == Cosignature(ONE.verifier_key, NOW)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (200, write_answer([cosign(NOTE, WITNESSES[1], NOW)]), Code.WITNESS_REFUSED),
        (200, write_answer([COSIGNED, COSIGNED]), Code.WITNESS_REFUSED),
        (200, b"", Code.WITNESS_REFUSED),
        (200, b"\n", Code.WITNESS_REFUSED),
        (200, b"5\n", Code.WITNESS_REFUSED),
        (200, write_answer([COSIGNED])[:-1], Code.WITNESS_REFUSED),
        (200, write_answer([cosign(signed(6), ONE, NOW)]), Code.WITNESS_SIGNATURE),
        (409, b"", Code.WITNESS_DIVERGENCE),
        (409, b"5", Code.WITNESS_DIVERGENCE),
        (409, b"05\n", Code.WITNESS_DIVERGENCE),
        (409, b"five\n", Code.WITNESS_DIVERGENCE),
        (409, b"5\n" * 20, Code.WITNESS_DIVERGENCE),
        (422, b"", Code.WITNESS_DIVERGENCE),
        (422, b"5\n", Code.WITNESS_DIVERGENCE),
        (400, b"", Code.WITNESS_REFUSED),
        (403, b"", Code.WITNESS_REFUSED),
        (404, b"", Code.WITNESS_REFUSED),
        (500, write_answer([COSIGNED]), Code.WITNESS_REFUSED),
    ],
)
def test_an_answer_that_is_not(status, body, code):
    with pytest.raises(PfnError) as caught:
        answer(status, body)
    assert caught.value.code is code


@pytest.mark.parametrize("size", [0, 3, 2**63 - 1])
def test_a_witness_that_is_elsewhere(size):
    with pytest.raises(SizeConflictError) as caught:
        answer(409, SizeConflictError(size).body)
    assert caught.value.size == size
    assert not isinstance(caught.value, SecurityError)
