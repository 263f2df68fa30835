"""A log's right edge: appending many leaves at once, and the tiles that this writes.

Answers for: growth. The edge is the partial tiles of all levels; from them and new leaves come the new root and every
tile that is new, without reading any leaf or full tile. A thousand leaves make about five tiles.

Does not answer for: storing them. Nothing here is visible before the caller has kept all tiles and signed the head.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.line import HASH_BYTES
from pfn.protocol.log.merkle import read_frontier
from pfn.protocol.log.tile import TILE_WIDTH, Tile, edge_tiles, hash_complete, read_nodes

_FULL = TILE_WIDTH * HASH_BYTES


@dataclass(frozen=True, slots=True)
class Edge:
    """The partial tiles of a tree of ``size`` leaves; ``Edge()`` is the empty tree."""

    size: int = 0
    tiles: tuple[tuple[Tile, bytes], ...] = ()

    @property
    def head(self) -> TreeHead:
        """Size and root."""
        return TreeHead(self.size, read_frontier(self.size, read_nodes(dict(self.tiles), self.size)).root)


@dataclass(frozen=True, slots=True)
class Growth:
    """The edge afterwards, and the tiles to write: those of ``written_tiles``, with their bytes."""

    edge: Edge
    tiles: Mapping[Tile, bytes]


def read_edge(head: TreeHead, tiles: Mapping[Tile, bytes]) -> Edge:
    """The edge of a stored tree from the tiles ``edge_tiles`` names.

    What is stored may not be the tree that was signed, and then it must not be appended to. Raises SecurityError
    (``log_consistency``) where the root comes out otherwise, PfnError (``log_malformed``) for a tile that is missing or
    has a wrong length.
    """
    edge = Edge(head.size, tuple((tile, tiles.get(tile, b"")) for tile in edge_tiles(head.size)))
    if edge.head != head:
        raise SecurityError(
            Code.LOG_CONSISTENCY, f"The stored tiles of the tree of {head.size} entries do not make its root."
        )
    return edge


def grow(edge: Edge, leaf_hashes: Iterable[bytes]) -> Growth:
    """Append leaves."""
    rows = {tile.level: data for tile, data in edge.tiles}
    arriving = b"".join(leaf_hashes)
    size = edge.size + len(arriving) // HASH_BYTES
    written: dict[Tile, bytes] = {}
    level, before = 0, edge.size
    while arriving:
        row = rows.pop(level, b"") + arriving
        number = before // TILE_WIDTH
        completed = []
        while len(row) >= _FULL:
            full, row = row[:_FULL], row[_FULL:]
            written[Tile(level, number)] = full
            completed.append(hash_complete(full))
            number += 1
        if row:
            rows[level] = row
            written[Tile(level, number, len(row) // HASH_BYTES)] = row
        arriving = b"".join(completed)
        level, before = level + 1, before // TILE_WIDTH
    return Growth(Edge(size, tuple((tile, rows[tile.level]) for tile in edge_tiles(size))), written)
