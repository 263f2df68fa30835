"""Reading a log bundle by bundle: what belongs to the signed tree is believed, and nothing else is."""

import hashlib

import pytest

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.merkle import Frontier, leaf_hash
from pfn.protocol.log.tile import Tile, tiles_for_root
from pfn.protocol.log.trusted_tiles import TrustedTiles

_SIZES = [1, 2, 255, 256, 257, 300, 511, 512, 1000, 65_535, 65_536, 65_537, 66_000]


def entry(number: int) -> bytes:
    return f"entry {number}".encode()


class Tree:
    """A tree of ``size`` entries with all its tiles."""

    def __init__(self, size: int) -> None:
        hashes = [leaf_hash(entry(number)) for number in range(size)]
        self.tiles = dict(grow(Edge(), hashes).tiles)
        self.head = TreeHead(size, Frontier().extend(hashes).root)

    def trusted(self) -> TrustedTiles:
        return TrustedTiles(self.head, {tile: self.tiles[tile] for tile in tiles_for_root(self.head.size)})

    def entries(self, bundle: int) -> list[bytes]:
        return [entry(number) for number in range(bundle * 256, min(self.head.size, bundle * 256 + 256))]


@pytest.mark.parametrize("size", _SIZES)
def test_every_bundle_of_an_honest_log_is_believed(size: int):
    tree = Tree(size)
    trusted = tree.trusted()
    bundles = range((size + 255) // 256)
    for number in bundles if size < 2000 else [0, 1, 128, 255, bundles[-1]]:
        if number not in bundles:
            continue
        for tile in trusted.missing(number):
            trusted.admit(tile, tree.tiles[tile])
        trusted.check_entries(number, tree.entries(number))
        assert not trusted.missing(number)


@pytest.mark.parametrize("size", [3, 257, 66_000])
def test_a_bundle_that_is_not_the_logs_is_refused(size: int):
    tree = Tree(size)
    trusted = tree.trusted()
    for number in {0, (size - 1) // 256}:
        for tile in trusted.missing(number):
            trusted.admit(tile, tree.tiles[tile])
        honest = tree.entries(number)
        for lie in (honest[:-1], [*honest, b"more"], [b"other", *honest[1:]], honest[::-1] if len(honest) > 1 else []):
            with pytest.raises(SecurityError) as raised:
                trusted.check_entries(number, lie)
            assert raised.value.code is Code.LOG_CONSISTENCY


def test_a_full_tile_that_is_not_the_logs_is_refused():
    tree = Tree(66_000)
    trusted = tree.trusted()
    (tile,) = trusted.missing(0)
    assert tile == Tile(1, 0)
    for lie in (tree.tiles[tile][:-32], hashlib.sha256(b"x").digest() + tree.tiles[tile][32:], b""):
        with pytest.raises(SecurityError):
            trusted.admit(tile, lie)
    assert trusted.missing(0) == (tile,)


def test_an_edge_that_does_not_make_the_root_is_refused():
    tree = Tree(300)
    honest = {tile: tree.tiles[tile] for tile in tiles_for_root(300)}
    for tile, data in honest.items():
        with pytest.raises(SecurityError) as raised:
            TrustedTiles(tree.head, {**honest, tile: b"\x01" * len(data)})
        assert raised.value.code is Code.LOG_CONSISTENCY
        with pytest.raises(PfnError) as missing:
            TrustedTiles(tree.head, {one: held for one, held in honest.items() if one != tile})
        assert missing.value.code is Code.LOG_MALFORMED


def test_there_is_no_bundle_outside_of_the_tree():
    with pytest.raises(ValueError, match="no tile 2"):
        Tree(300).trusted().missing(2)
