"""Checkpoints: exact text, the log's own key, and what may follow a known tree."""

import pytest
from tests.protocol.log.trees import LOG, ORIGIN, OTHER_LOG, checkpoint, hashed, naive_proof, signed, tiled
from tests.support.signed import key

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.checkpoint import (
    Checkpoint,
    TreeHead,
    check_successor,
    parse_checkpoint,
    sign_checkpoint,
    verify_checkpoint,
)
from pfn.protocol.log.line import LARGEST_SIZE
from pfn.protocol.log.note import NoteSigner, add_signatures, parse_note, sign_note, write_note

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def code(call, *arguments) -> Code:
    with pytest.raises(PfnError) as caught:
        call(*arguments)
    return caught.value.code


@pytest.mark.parametrize(
    ("text", "size", "extensions"),
    [
        (f"example.com/behind-the-sofa\n20852163\n{ROOT}\n", 20852163, ()),
        (f"example.com/behind-the-sofa\n0\n{ROOT}\n", 0, ()),
        (f"example.com/behind-the-sofa\n{LARGEST_SIZE}\n{ROOT}\none\n two \n", LARGEST_SIZE, ("one", " two ")),
    ],
)
def test_the_text_of_a_checkpoint(text, size, extensions):
    found = parse_checkpoint(text)
    assert (found.origin, found.size, found.extensions) == ("example.com/behind-the-sofa", size, extensions)
    assert found.text == text
    assert found.head == TreeHead(size, found.root)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n",
        "o\n1\n",
        f"o\n1\n{ROOT}",
        f"\n1\n{ROOT}\n",
        f"o\n\n{ROOT}\n",
        f"o\n1\n{ROOT}\n\n",
        f"o\n1\n{ROOT}\n\nmore\n",
        f"o\n01\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n1_0\n{ROOT}\n",
        f"o\n1 \n{ROOT}\n",
        f"o\n\u0661\n{ROOT}\n",
        f"o\n{LARGEST_SIZE + 1}\n{ROOT}\n",
        f"o\n{10**30}\n{ROOT}\n",
        f"o\n1\n{ROOT[:-1]}\n",
        f"o\n1\n{ROOT[:-2]}J=\n",
        f"o\n1\n {ROOT}\n",
        "o\n1\nAAAA\n",
        "o\n1\n" + "A" * 44 + "\n",
    ],
)
def test_what_is_no_checkpoint(text):
    assert code(parse_checkpoint, text) is Code.LOG_MALFORMED


@pytest.mark.parametrize(
    "members",
    [("", 1, bytes(32)), ("a\nb", 1, bytes(32)), ("a", -1, bytes(32)), ("a", 2**63, bytes(32)), ("a", 1, b"")],
)
def test_what_cannot_be_written(members):
    with pytest.raises(ValueError, match=r"checkpoint has|not empty"):
        Checkpoint(*members)
    with pytest.raises(ValueError, match="not empty"):
        Checkpoint("a", 1, bytes(32), ("",))


def test_a_log_signs_its_own_checkpoints():
    note = parse_note(write_note(signed(5)))
    assert verify_checkpoint(note, [OTHER_LOG.verifier_key, LOG.verifier_key]) == checkpoint(5)
    with pytest.raises(ValueError, match="named like its origin"):
        sign_checkpoint(checkpoint(5), OTHER_LOG)


def test_another_logs_key_does_not_sign_for_this_one():
    assert code(verify_checkpoint, signed(5), []) is Code.LOG_UNKNOWN
    assert code(verify_checkpoint, signed(5), [OTHER_LOG.verifier_key]) is Code.LOG_UNKNOWN
    # A known log that signs in another's name.
    forged = sign_note(checkpoint(5).text, [OTHER_LOG])
    assert code(verify_checkpoint, forged, [OTHER_LOG.verifier_key]) is Code.LOG_UNKNOWN
    assert code(verify_checkpoint, forged, [LOG.verifier_key, OTHER_LOG.verifier_key]) is Code.LOG_SIGNATURE
    stranger = sign_note(checkpoint(5).text, [NoteSigner(ORIGIN, key("stranger"))])
    assert code(verify_checkpoint, stranger, [LOG.verifier_key]) is Code.LOG_SIGNATURE


def test_while_a_log_changes_keys_both_sign():
    later = NoteSigner(ORIGIN, key("log, later"))
    both = add_signatures(signed(5), sign_note(checkpoint(5).text, [later]).signatures)
    for keys in ([LOG.verifier_key], [later.verifier_key], [LOG.verifier_key, later.verifier_key]):
        assert verify_checkpoint(both, keys) == checkpoint(5)


def test_a_signed_text_that_is_no_checkpoint():
    assert code(verify_checkpoint, sign_note("text\n", [LOG]), [LOG.verifier_key]) is Code.LOG_MALFORMED


HEAD, _ = tiled(5)


@pytest.mark.parametrize(
    ("new", "proof", "expected"),
    [
        (tiled(5)[0], [], None),
        (tiled(9)[0], naive_proof(5, hashed(9)), None),
        (tiled(4)[0], [], Code.LOG_ROLLBACK),
        (tiled(0)[0], [], Code.LOG_ROLLBACK),
        (tiled(5, "other")[0], [], Code.LOG_FORK),
        (tiled(9, "other")[0], naive_proof(5, hashed(9, "other")), Code.LOG_CONSISTENCY),
        (tiled(9)[0], [], Code.LOG_CONSISTENCY),
        (tiled(5)[0], [bytes(32)], Code.LOG_CONSISTENCY),
    ],
)
def test_what_may_follow_a_known_tree(new, proof, expected):
    if expected is None:
        check_successor(HEAD, new, proof)
    else:
        assert code(check_successor, HEAD, new, proof) is expected


def test_everything_follows_the_empty_tree():
    check_successor(tiled(0)[0], HEAD, [])
