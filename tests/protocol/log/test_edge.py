"""Appending at a log's right edge."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import hashed, naive_root, tiled

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.edge import Edge, grow, read_edge
from pfn.protocol.log.merkle import EMPTY_ROOT
from pfn.protocol.log.tile import Tile, edge_tiles, written_tiles


def test_the_empty_tree():
    assert Edge().head == TreeHead(0, EMPTY_ROOT)
    assert grow(Edge(), []).tiles == {}
    assert read_edge(Edge().head, {}) == Edge()


@given(st.lists(st.sampled_from([0, 1, 2, 100, 255, 256, 257, 300, 700]), max_size=8))
def test_in_pieces_as_at_once(pieces):
    edge, kept = Edge(), {}
    for piece in pieces:
        before, size = edge.size, edge.size + piece
        growth = grow(edge, hashed(size)[before:])
        assert set(growth.tiles) == set(written_tiles(before, size))
        edge = growth.edge
        kept |= growth.tiles
        assert edge.head == TreeHead(size, naive_root(hashed(size)))
        # As after a restart: from what was kept alone.
        assert read_edge(edge.head, kept) == edge
    assert tiled(edge.size)[1].items() <= kept.items()


def test_a_thousand_leaves_write_a_handful_of_tiles():
    edge = grow(Edge(), hashed(70_000)).edge
    assert len(grow(edge, hashed(71_000)[70_000:]).tiles) <= 6


def test_a_long_way_at_once():
    head, tiles = tiled(70_000)
    assert head.root == naive_root(hashed(70_000))
    assert set(tiles) == set(written_tiles(0, 70_000))


def test_a_state_that_is_not_the_signed_tree_is_refused():
    head, tiles = tiled(300)
    for tile in edge_tiles(300):
        changed = bytearray(tiles[tile])
        changed[0] ^= 1
        assert refused(head, {**tiles, tile: bytes(changed)}) is Code.LOG_CONSISTENCY
        assert refused(head, {**tiles, tile: tiles[tile][:-32]}) is Code.LOG_MALFORMED
        assert refused(head, {other: data for other, data in tiles.items() if other != tile}) is Code.LOG_MALFORMED
    # Rolled back, or ahead: the tiles of another size.
    assert refused(head, tiled(299)[1]) is Code.LOG_MALFORMED
    assert refused(TreeHead(300, tiled(300, "other")[0].root), tiles) is Code.LOG_CONSISTENCY


def refused(head, tiles: dict[Tile, bytes]) -> Code:
    with pytest.raises(PfnError) as caught:
        read_edge(head, tiles)
    return caught.value.code
