"""Entry bundles, and following a log by its entries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import hashed, leaves, tiled

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.entry_bundle import MAX_ENTRY_BYTES, follow_entries, read_entries, write_entries
from pfn.protocol.log.merkle import Frontier

ENTRIES = st.lists(st.binary(max_size=300), max_size=256)


def code(call, *arguments) -> Code:
    with pytest.raises(PfnError) as caught:
        call(*arguments)
    return caught.value.code


def test_a_length_in_two_bytes_before_each():
    assert write_entries([b"ab", b"", b"c" * 256]) == b"\0\2ab\0\0\1\0" + b"c" * 256


@given(ENTRIES)
def test_what_was_written_is_read(entries):
    data = write_entries(entries)
    assert read_entries(data, len(entries)) == tuple(entries)
    assert code(read_entries, data, len(entries) + 1) is Code.LOG_MALFORMED
    assert code(read_entries, data + b"\0", len(entries)) is Code.LOG_MALFORMED
    if entries:
        assert code(read_entries, data, len(entries) - 1) is Code.LOG_MALFORMED
        assert code(read_entries, data[:-1], len(entries)) is Code.LOG_MALFORMED


def test_the_longest_entry():
    longest = b"x" * MAX_ENTRY_BYTES
    assert read_entries(write_entries([longest]), 1) == (longest,)
    with pytest.raises(ValueError, match="65535"):
        write_entries([longest + b"x"])


KNOWN = Frontier().extend(hashed(300))


@pytest.mark.parametrize("size", [300, 301, 512, 700])
def test_following(size):
    head, _ = tiled(size)
    followed = follow_entries(KNOWN, leaves(size)[300:], head)
    assert (followed.size, followed.root) == (head.size, head.root)


@pytest.mark.parametrize(
    ("head", "entries", "expected"),
    [
        (tiled(299)[0], [], Code.LOG_ROLLBACK),
        (tiled(299)[0], leaves(1), Code.LOG_ROLLBACK),
        (tiled(300, "other")[0], [], Code.LOG_FORK),
        (tiled(300)[0], leaves(301)[300:], Code.LOG_CONSISTENCY),
        (tiled(302)[0], leaves(301)[300:], Code.LOG_CONSISTENCY),
        (tiled(302)[0], leaves(303)[300:], Code.LOG_CONSISTENCY),
        (tiled(302)[0], leaves(302)[:299:-1], Code.LOG_CONSISTENCY),
        (tiled(302)[0], [*leaves(301)[300:], b"another"], Code.LOG_CONSISTENCY),
        (tiled(302, "other")[0], leaves(302, "other")[300:], Code.LOG_CONSISTENCY),
        (tiled(302)[0], [], Code.LOG_CONSISTENCY),
        # The root is right, but of fewer entries than the log says.
        (TreeHead(303, tiled(302)[0].root), leaves(302)[300:], Code.LOG_CONSISTENCY),
    ],
)
def test_a_log_that_lies(head, entries, expected):
    assert code(follow_entries, KNOWN, entries, head) is expected
