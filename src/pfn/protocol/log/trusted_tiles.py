"""Reading a log in pieces: bundles of entries, each held against a tree that was signed (C2SP tlog-tiles).

Answers for: hashes that are proven to be a signed tree's own, from its root down. The partial tiles at the right edge
make the root, so they are believed when it comes out; a full tile is believed by its one hash in the tile above it; a
bundle of entries by the hashes of its leaves. So a reader of a long log knows of every bundle at once that it is the
log's, keeps it, and may stop anywhere.

Does not answer for: whether the tree follows from an earlier one (``checkpoint.check_successor``).
"""

from collections.abc import Mapping, Sequence

from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.line import HASH_BYTES
from pfn.protocol.log.merkle import leaf_hash, read_frontier
from pfn.protocol.log.tile import TILE_WIDTH, Tile, hash_complete, read_nodes, tile_in


class TrustedTiles:
    """The tiles of one signed tree that are believed so far; ``tiles`` are those ``tiles_for_root`` names."""

    def __init__(self, head: TreeHead, tiles: Mapping[Tile, bytes]) -> None:
        """Believe the right edge.

        Raises SecurityError (``log_consistency``) where it does not make the root, PfnError (``log_malformed``) for a
        tile that is missing or has a wrong length.
        """
        if read_frontier(head.size, read_nodes(tiles, head.size)).root != head.root:
            raise SecurityError(
                Code.LOG_CONSISTENCY, f"The log's tiles do not make the tree of {head.size} entries that it signed."
            )
        self.head = head
        self._tiles = dict(tiles)

    def missing(self, number: int) -> tuple[Tile, ...]:
        """The tiles to ``admit``, in this order, before the entries of bundle ``number`` can be checked."""
        tiles: list[Tile] = []
        tile = self._get(0, number)
        # A partial tile is at the edge, and so believed.
        while tile.is_full and (tile := self._above(tile)) not in self._tiles:
            tiles.append(tile)
        return tuple(reversed(tiles))

    def admit(self, tile: Tile, data: bytes) -> None:
        """Believe a full tile of hashes. Raises SecurityError (``log_consistency``) where it is not the tree's."""
        if len(data) != TILE_WIDTH * HASH_BYTES or hash_complete(data) != self._hash_of(tile):
            raise self._foreign(tile.path)
        self._tiles[tile] = data

    def check_entries(self, number: int, entries: Sequence[bytes]) -> None:
        """Believe that these are all entries of bundle ``number``. Raises SecurityError (``log_consistency``)."""
        tile = self._get(0, number)
        hashes = b"".join(map(leaf_hash, entries))
        whole = len(entries) == tile.width
        if not whole or (hash_complete(hashes) != self._hash_of(tile) if tile.is_full else hashes != self._tiles[tile]):
            raise self._foreign(Tile(None, number, tile.width).path)

    def _get(self, level: int, number: int) -> Tile:
        tile = tile_in(level, number, self.head.size)
        if tile is None:
            raise ValueError(f"a tree of {self.head.size} entries has no tile {number} on level {level}")
        return tile

    def _above(self, tile: Tile) -> Tile:
        return self._get((tile.level or 0) + 1, tile.number // TILE_WIDTH)

    def _hash_of(self, tile: Tile) -> bytes:
        """The hash of a full tile, as the tile above it has it, which is believed."""
        start = tile.number % TILE_WIDTH * HASH_BYTES
        return self._tiles[self._above(tile)][start : start + HASH_BYTES]

    def _foreign(self, path: str) -> SecurityError:
        return SecurityError(
            Code.LOG_CONSISTENCY, f"{path} is not that of the tree of {self.head.size} entries that the log signed."
        )
