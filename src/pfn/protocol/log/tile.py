"""Tiles: the tree as static files of up to 256 hashes (facts: transparency log; C2SP tlog-tiles).

Answers for: a tile's path, which tiles a tree of a size has and which a larger one writes anew, which tiles a proof
needs, and a tree's nodes out of tiles' bytes.

A proof is made in two steps, so that nothing here reads anything: ``tiles_for_…`` names the tiles, the caller brings
their bytes from wherever they are, and ``read_nodes`` gives ``merkle`` what it asks for. A partial tile is the start of
the full one: where only the latter is to be had, cut it.

Does not answer for: whether a stranger's tiles are honest; the proof made of them is checked against a checkpoint.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from pfn.protocol.log.line import HASH_BYTES, malformed
from pfn.protocol.log.merkle import Node, ReadNode, consistency_nodes, frontier_nodes, inclusion_nodes, node_hash

TILE_WIDTH = 256
TILE_HEIGHT = 8

_PATH = re.compile(
    r"tile/(?P<level>entries|[0-9]|[1-5][0-9]|6[0-3])/(?P<number>(?:x[0-9]{3}/){0,5}[0-9]{3})"
    r"(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """Which tile: its level, its number in the level, its hashes. ``level`` None is the bundle of level 0's entries."""

    level: int | None
    number: int
    width: int = TILE_WIDTH

    @property
    def is_full(self) -> bool:
        """Whether it never changes again."""
        return self.width == TILE_WIDTH

    @property
    def full(self) -> "Tile":
        """The same tile once it is full, to be asked for where the partial one is gone."""
        return replace(self, width=TILE_WIDTH)

    @property
    def path(self) -> str:
        """Where it is below a log's prefix, such as ``tile/0/x001/x234/067.p/12``."""
        *folders, file = (group.zfill(3) for group in f"{self.number:,}".split(","))
        level = "entries" if self.level is None else str(self.level)
        partial = "" if self.is_full else f".p/{self.width}"
        return "/".join(["tile", level, *(f"x{folder}" for folder in folders), file]) + partial


def parse_tile_path(path: str) -> Tile:
    """Read a path, in its one spelling. Raises PfnError (``log_malformed``)."""
    found = _PATH.fullmatch(path)
    if found is not None:
        level = None if found["level"] == "entries" else int(found["level"])
        number = int(found["number"].replace("/", "").replace("x", ""))
        tile = Tile(level, number, int(found["width"] or TILE_WIDTH))
        # Not so with a first group of zeros, nor for a width that is no partial one.
        if tile.path == path and tile.width <= TILE_WIDTH:
            return tile
    raise malformed("This is not the path of a tile.")


def tile_in(level: int | None, number: int, size: int) -> Tile | None:
    """The tile as it is in a tree of ``size`` leaves; None where it is empty."""
    width = min(TILE_WIDTH, (size >> TILE_HEIGHT * (level or 0)) - number * TILE_WIDTH)
    return Tile(level, number, width) if width > 0 else None


def edge_tiles(size: int) -> tuple[Tile, ...]:
    """The partial tiles of a tree, lowest level first: all that is needed to append to it."""
    return tuple(tile for tile in _last_tiles(size) if not tile.is_full)


def written_tiles(old: int, new: int) -> tuple[Tile, ...]:
    """The tiles of hashes that a tree of ``new`` leaves has and the one of ``old`` it grew from has not."""
    tiles: list[Tile] = []
    for last in _last_tiles(new):
        level = last.level or 0
        first = (old >> TILE_HEIGHT * level) // TILE_WIDTH
        tiles.extend(Tile(level, number) for number in range(first, last.number))
        if last != tile_in(level, last.number, old):
            tiles.append(last)
    return tuple(tiles)


def tiles_for_root(size: int) -> tuple[Tile, ...]:
    """The tiles of which the root and the frontier of a tree are made."""
    return _tiles_of(frontier_nodes(size), size)


def tiles_for_inclusion(index: int, size: int) -> tuple[Tile, ...]:
    """The tiles ``prove_inclusion`` needs."""
    return _tiles_of(inclusion_nodes(index, size), size)


def tiles_for_consistency(old: int, new: int) -> tuple[Tile, ...]:
    """The tiles ``prove_consistency`` needs, all of them in the tree of ``new`` leaves."""
    return _tiles_of(consistency_nodes(old, new), new)


def cut_tile(data: bytes, tile: Tile) -> bytes:
    """A partial tile's bytes from those of a wider one. Raises PfnError (``log_malformed``) where they are too few."""
    if len(data) % HASH_BYTES or len(data) < tile.width * HASH_BYTES:
        raise malformed(f"{tile.path} has {tile.width} hashes; {len(data)} bytes are not so many.")
    return data[: tile.width * HASH_BYTES]


def read_nodes(tiles: Mapping[Tile, bytes], size: int) -> ReadNode:
    """How to read a node out of the bytes of tiles in a tree of ``size`` leaves.

    Reading raises PfnError (``log_malformed``) for a tile that is not there or has another length than its width says.
    """

    def read(level: int, index: int) -> bytes:
        tile = _tile_of((level, index), size)
        data = tiles.get(tile, b"")
        if len(data) != tile.width * HASH_BYTES:
            raise malformed(f"{tile.path} has {tile.width * HASH_BYTES} bytes; {len(data)} are there.")
        within = level % TILE_HEIGHT
        start = (index << within) % TILE_WIDTH * HASH_BYTES
        return hash_complete(data[start : start + (HASH_BYTES << within)])

    return read


def hash_complete(hashes: bytes) -> bytes:
    """The hash over a power of two of hashes, one after the other."""
    while len(hashes) > HASH_BYTES:
        pairs = range(0, len(hashes), 2 * HASH_BYTES)
        hashes = b"".join(
            node_hash(hashes[at : at + HASH_BYTES], hashes[at + HASH_BYTES : at + 2 * HASH_BYTES]) for at in pairs
        )
    return hashes


def _last_tiles(size: int) -> list[Tile]:
    """The last tile of each level, full or not."""
    tiles, level = [], 0
    while hashes := size >> TILE_HEIGHT * level:
        number = (hashes - 1) // TILE_WIDTH
        tiles.append(Tile(level, number, hashes - number * TILE_WIDTH))
        level += 1
    return tiles


def _tile_of(node: Node, size: int) -> Tile:
    level, index = node
    tile = tile_in(level // TILE_HEIGHT, (index << level % TILE_HEIGHT) // TILE_WIDTH, size)
    if tile is None:
        raise ValueError(f"a tree of {size} leaves has no node {index} on level {level}")
    return tile


def _tiles_of(nodes: Iterable[Node], size: int) -> tuple[Tile, ...]:
    return tuple(dict.fromkeys(_tile_of(node, size) for node in nodes))
