"""Tiles: paths, which there are, and proofs out of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.protocol.log.trees import LARGE_SIZES, SIZES, hashed, naive_path, naive_proof, naive_root, tiled

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.merkle import prove_consistency, prove_inclusion, read_frontier
from pfn.protocol.log.tile import (
    Tile,
    cut_tile,
    edge_tiles,
    parse_tile_path,
    read_nodes,
    tile_in,
    tiles_for_consistency,
    tiles_for_inclusion,
    tiles_for_root,
    written_tiles,
)

TILES = st.builds(
    Tile,
    st.one_of(st.none(), st.integers(0, 63)),
    st.one_of(st.integers(0, 2000), st.integers(0, 2**55)),
    st.integers(1, 256),
)


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 7, 1), "tile/0/007.p/1"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(63, 1000), "tile/63/x001/000"),
        (Tile(4, 1234067), "tile/4/x001/x234/067"),
        (Tile(4, 1234067, 12), "tile/4/x001/x234/067.p/12"),
        (Tile(None, 1234067, 12), "tile/entries/x001/x234/067.p/12"),
        (Tile(0, 100000), "tile/0/x100/000"),
    ],
)
def test_paths(tile, path):
    assert tile.path == path
    assert parse_tile_path(path) == tile


@given(TILES)
def test_a_path_is_read_as_the_tile_it_was_written_for(tile):
    assert parse_tile_path(tile.path) == tile
    assert tile.is_full == (tile.full == tile)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001/x000",
        "tile/0/x1/000",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/8/0/000.p/",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/300",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000\n",
        "tile/0/٠٠٠",
        "tile/data/000",
        "tile/entries/000/../000",
        "tile/0/" + "x999/" * 7 + "999",
        "tile/0/..",
        "checkpoint",
    ],
)
def test_what_is_no_path(path):
    with pytest.raises(PfnError) as caught:
        parse_tile_path(path)
    assert caught.value.code is Code.LOG_MALFORMED


def test_the_example_of_the_specification():
    _, tiles = tiled(70_000)
    assert sorted((tile.level, tile.number, tile.width) for tile in tiles) == [
        *((0, number, 256) for number in range(273)),
        (0, 273, 112),
        (1, 0, 256),
        (1, 1, 17),
        (2, 0, 1),
    ]
    assert edge_tiles(70_000) == (Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1))
    assert edge_tiles(256) == (Tile(1, 0, 1),)
    assert edge_tiles(0) == ()


@pytest.mark.parametrize(
    ("level", "number", "size", "width"),
    [
        (0, 0, 0, None),
        (0, 0, 1, 1),
        (0, 0, 255, 255),
        (0, 0, 256, 256),
        (0, 1, 256, None),
        (0, 1, 257, 1),
        (1, 0, 255, None),
        (1, 0, 511, 1),
        (1, 0, 65_536, 256),
        (2, 0, 65_535, None),
        (2, 0, 65_536, 1),
        (None, 1, 300, 44),
        (None, 2, 300, None),
    ],
)
def test_a_tile_in_a_tree(level, number, size, width):
    assert tile_in(level, number, size) == (None if width is None else Tile(level, number, width))


def test_a_tile_holds_the_roots_of_the_full_tiles_below():
    _, tiles = tiled(70_000)
    leaf_hashes = hashed(70_000)
    assert tiles[Tile(0, 5)] == b"".join(leaf_hashes[5 * 256 : 6 * 256])
    above = tiles[Tile(1, 0)]
    assert above[32:64] == naive_root(leaf_hashes[256:512])
    assert tiles[Tile(2, 0, 1)] == naive_root(leaf_hashes[:65_536])


@given(st.sampled_from([*SIZES, *LARGE_SIZES]), st.sampled_from([*SIZES, *LARGE_SIZES]))
def test_what_a_larger_tree_writes_is_what_the_smaller_has_not(one, other):
    old, new = sorted((one, other))

    def all_of(size):
        found = set()
        for level in range(4):
            number = 0
            while (tile := tile_in(level, number, size)) is not None:
                found.add(tile)
                number += 1
        return found

    written = written_tiles(old, new)
    assert len(set(written)) == len(written)
    assert set(written) == all_of(new) - all_of(old)
    assert set(edge_tiles(new)) == {tile for tile in all_of(new) if not tile.is_full}


def brought(tiles, wanted):
    """Only the tiles that were asked for."""
    return {tile: tiles[tile] for tile in wanted}


@pytest.mark.parametrize("size", [size for size in (*SIZES, *LARGE_SIZES) if size])
def test_proofs_are_made_of_the_tiles_that_are_named(size):
    head, tiles = tiled(size)
    tree = hashed(size)
    read = read_nodes(brought(tiles, tiles_for_root(size)), size)
    assert read_frontier(size, read).root == head.root == naive_root(tree)
    for index in {size // 3, size - 1}:
        read = read_nodes(brought(tiles, tiles_for_inclusion(index, size)), size)
        assert list(prove_inclusion(index, size, read)) == naive_path(index, tree)
    for old in {max(1, size - 300), max(1, size // 2)}:
        read = read_nodes(brought(tiles, tiles_for_consistency(old, size)), size)
        assert list(prove_consistency(old, size, read)) == naive_proof(old, tree)


def test_a_proof_needs_few_tiles():
    assert len(tiles_for_inclusion(12_345, 70_000)) <= 4
    assert len(tiles_for_consistency(65_000, 70_000)) <= 5


@pytest.mark.parametrize("size", [5, 257])
def test_tiles_that_are_missing_or_of_another_length(size):
    _, tiles = tiled(size)
    for tile in tiles_for_root(size):
        for wrong in ({}, {tile: tiles[tile][:-32]}, {tile: tiles[tile] + bytes(32)}, {tile: tiles[tile][:-1]}):
            with pytest.raises(PfnError) as caught:
                read_frontier(size, read_nodes({**tiles, tile: b"", **wrong}, size))
            assert caught.value.code is Code.LOG_MALFORMED


def test_a_node_outside_of_the_tree():
    with pytest.raises(ValueError, match="has no node"):
        read_nodes({}, 5)(0, 256)


def test_a_partial_tile_is_cut_from_a_wider_one():
    _, tiles = tiled(300)
    partial = Tile(0, 0, 44)
    assert cut_tile(tiles[Tile(0, 0)], partial) == b"".join(hashed(44))
    assert cut_tile(tiles[Tile(0, 1, 44)], Tile(0, 1, 44)) == tiles[Tile(0, 1, 44)]
    for wrong in (b"", bytes(43 * 32), bytes(44 * 32 + 1)):
        with pytest.raises(PfnError) as caught:
            cut_tile(wrong, partial)
        assert caught.value.code is Code.LOG_MALFORMED
