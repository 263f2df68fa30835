"""``.tlog-proof``: the text, and what it proves."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import (
    KNOWN_LOG,
    KNOWN_WITNESSES,
    LOG,
    WITNESSES,
    cosigned,
    hashed,
    leaves,
    naive_path,
    signed,
    tiled,
)
from tests.support.signed import DAY, NOW

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.merkle import prove_inclusion
from pfn.protocol.log.note import sign_note, write_note
from pfn.protocol.log.policy import require_operators
from pfn.protocol.log.proof import TlogProof, check_entry, parse_proof, verify_proof, write_proof
from pfn.protocol.log.tile import read_nodes

POLICY = require_operators([KNOWN_LOG], KNOWN_WITNESSES, 2)


def proof(index: int, size: int, label: str = "leaf") -> TlogProof:
    read = read_nodes(tiled(size, label)[1], size)
    return TlogProof(index, prove_inclusion(index, size, read), cosigned(signed(size, label)))


PROOF = proof(3, 7)
TEXT = write_proof(PROOF).decode()


def test_the_bytes():
    hashes = "".join(base64.b64encode(one).decode() + "\n" for one in naive_path(3, hashed(7)))
    note = write_note(PROOF.note).decode()
    assert f"c2sp.org/tlog-proof@v1\nindex 3\n{hashes}\n{note}" == TEXT
    with_extra = write_proof(replace(PROOF, extra=b"more"))
    assert with_extra.decode() == f"c2sp.org/tlog-proof@v1\nextra bW9yZQ==\nindex 3\n{hashes}\n{note}"
    assert write_proof(proof(0, 1)).startswith(b"c2sp.org/tlog-proof@v1\nindex 0\n\nnode.example.com/pfn\n1\n")


@given(
    st.integers(0, 2**63 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=63),
    st.one_of(st.none(), st.binary(max_size=100)),
)
def test_what_was_written_is_read(index, hashes, extra):
    written = TlogProof(index, tuple(hashes), PROOF.note, extra)
    assert parse_proof(write_proof(written)) == written


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        "\n" + TEXT,
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("c2sp.org/tlog-proof@v1\n", ""),
        TEXT.replace("index 3\n", ""),
        TEXT.replace("index 3", "index 03"),
        TEXT.replace("index 3", "index -3"),
        TEXT.replace("index 3", "index  3"),
        TEXT.replace("index 3", "index 3 "),
        TEXT.replace("index 3", "Index 3"),
        TEXT.replace("index 3\n", "index 3\n\n"),
        TEXT.replace("index 3\n", "index 3\nAAAA\n"),
        TEXT.replace("index 3\n", "index 3\n" + ("A" * 43 + "=\n") * 61),
        TEXT.replace("index 3\n", "index 3\nextra AAAA\n"),
        TEXT.replace("index 3\n", "extra AAAA\nextra AAAA\nindex 3\n"),
        TEXT.replace("index 3\n", "extra AAA\nindex 3\n"),
        TEXT.replace("index 3\n", "extra\nindex 3\n"),
        TEXT.replace("\n\n", "\n", 1),
        TEXT.replace("\n", "\r\n"),
        TEXT.partition("\n\n")[0] + "\n",
        TEXT.partition("\n\n")[0] + "\n\n",
        TEXT + "x\n",
    ],
)
def test_what_is_no_proof(text):
    with pytest.raises(PfnError) as caught:
        parse_proof(text.encode())
    assert caught.value.code is Code.LOG_MALFORMED


@pytest.mark.parametrize("size", [1, 2, 7, 256, 257, 300])
def test_every_entry_of_a_tree(size):
    for index in {0, size // 2, size - 1}:
        found = verify_proof(leaves(size)[index], proof(index, size), POLICY, now=NOW)
        assert found.checkpoint.size == size
        assert len(found.witnessing.counted) == len(WITNESSES)


LEAF = leaves(7)[3]


@pytest.mark.parametrize(
    ("leaf", "shown", "code"),
    [
        (leaves(7)[2], PROOF, Code.LOG_INCLUSION),
        (LEAF + b" ", PROOF, Code.LOG_INCLUSION),
        (LEAF, replace(PROOF, index=2), Code.LOG_INCLUSION),
        (LEAF, replace(PROOF, index=7), Code.LOG_INCLUSION),
        (LEAF, replace(PROOF, hashes=PROOF.hashes[::-1]), Code.LOG_INCLUSION),
        (LEAF, replace(PROOF, hashes=()), Code.LOG_INCLUSION),
        (LEAF, replace(PROOF, note=cosigned(signed(8))), Code.LOG_INCLUSION),
        (LEAF, replace(PROOF, note=cosigned(signed(7, "other"))), Code.LOG_INCLUSION),
        (LEAF, replace(PROOF, note=signed(7)), Code.WITNESS_QUORUM),
        (LEAF, replace(PROOF, note=cosigned(signed(7), at=NOW - 2 * DAY)), Code.WITNESS_STALE),
        (LEAF, replace(PROOF, note=sign_note("text\n", [LOG])), Code.LOG_MALFORMED),
        (LEAF, replace(PROOF, note=cosigned(replace(signed(7), signatures=()))), Code.LOG_SIGNATURE),
    ],
)
def test_what_is_not_proven(leaf, shown, code):
    with pytest.raises(PfnError) as caught:
        verify_proof(leaf, shown, POLICY, now=NOW)
    assert caught.value.code is code


def test_what_is_extra_proves_nothing_and_does_no_harm():
    verify_proof(LEAF, replace(PROOF, extra=b"anything"), POLICY, now=NOW)


def test_inclusion_alone_says_nothing_of_signatures():
    check_entry(LEAF, replace(PROOF, note=replace(PROOF.note, signatures=())))
