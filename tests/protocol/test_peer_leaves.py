"""Kept leaves on the wire: what was written is read, in pages that fit, and nothing else is."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry_bundle import MAX_ENTRY_BYTES
from pfn.protocol.peer_leaves import (
    MAX_ANSWER_BYTES,
    MAX_LEAVES,
    MAX_PAGE_BYTES,
    KeptLeaves,
    cut_page,
    read_kept_leaves,
    write_kept_leaves,
)


@given(st.lists(st.binary(max_size=300), max_size=MAX_LEAVES), st.integers(0, 2**53), st.text(max_size=50))
def test_what_was_written_is_read(leaves: list[bytes], start: int, note: str) -> None:
    kept = KeptLeaves("node.example.org/pfn", start, tuple(leaves), start + len(leaves), note.encode())
    assert read_kept_leaves(write_kept_leaves(kept)) == kept


@given(st.lists(st.integers(0, MAX_ENTRY_BYTES), max_size=MAX_LEAVES + 50))
def test_a_page_is_a_start_and_fits(sizes: list[int]) -> None:
    leaves = [b"x" * size for size in sizes]
    page = cut_page(leaves)
    assert list(page) == leaves[: len(page)]
    assert len(page) <= MAX_LEAVES
    assert sum(map(len, page)) <= MAX_PAGE_BYTES
    # It goes on as long as there is room.
    if len(page) < min(len(leaves), MAX_LEAVES):
        assert sum(sizes[: len(page) + 1]) > MAX_PAGE_BYTES
    kept = KeptLeaves("node.example.org/pfn", 0, page, len(page))
    assert len(write_kept_leaves(kept)) <= MAX_ANSWER_BYTES


GOOD: dict[str, Any] = {
    "origin": "a/b",
    "start": 0,
    "size": 1,
    "leaves": [base64.b64encode(b"x").decode()],
    "note": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {"origin": 5},
        {"start": "0"},
        {"start": -1},
        {"size": -1},
        {"leaves": {}},
        {"leaves": [5]},
        {"leaves": ["no base64!"]},
        {"leaves": [""] * (MAX_LEAVES + 1)},
        {"note": 5},
    ],
)
def test_anything_else_is_no_answer(change: dict[str, Any]) -> None:
    assert read_kept_leaves(json.dumps(GOOD).encode()).leaves == (b"x",)
    for body in (json.dumps(GOOD | change).encode(), json.dumps([GOOD]).encode(), b"", b"nonsense"):
        with pytest.raises(PfnError) as caught:
            read_kept_leaves(body)
        assert caught.value.code is Code.PEER_ANSWER
