"""Look over the whole log: every leaf hashed again, every tile, every signed head, every release with its leaf.

What is read is one state of the rows, while the node goes on; nothing is changed. The first thing that is wrong ends
the look, with a sentence that says where.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, verify_checkpoint
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.entry import ReleaseLeaf, parse_leaf
from pfn.protocol.log.merkle import leaf_hash
from pfn.protocol.log.note import VerifierKey, parse_note
from pfn.protocol.log.tile import TILE_WIDTH, Tile, written_tiles
from pfn.services.leaf import read_filed
from pfn.storage.database import Database
from pfn.storage.log import count_leaves, count_tiles, list_filed, list_heads, list_placed, read_tiles

_BATCH = 16 * TILE_WIDTH

# How many entries were looked at, of how many.
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class LogCheck:
    """What was looked over and holds: entries, signed heads, and mirrored releases."""

    size: int
    heads: int
    releases: int


async def check_log(database: Database, key: VerifierKey, mark: Checkpoint | None, report: Report) -> LogCheck:
    """Look everything over; ``mark`` is the head that was signed last, as the file beside the rows has it.

    Raises SecurityError: ``log_rollback``, ``log_signature``, ``log_consistency``, ``leaf_mismatch``.
    """
    async with database.read() as connection:
        size = await count_leaves(connection)
        if mark is not None and mark.size > size:
            raise SecurityError(Code.LOG_ROLLBACK, f"The log has {size} entries, but a tree of {mark.size} was signed.")
        heads = [_verify_head(kept.note, kept.head, key) for kept in await list_heads(connection)]
        signed = [*heads, *([] if mark is None else [mark.head])]
        await _walk(connection, size, sorted(signed, key=lambda head: head.size), report)
        releases = await _check_releases(connection)
    return LogCheck(size, len(heads), releases)


def _verify_head(note: str, head: TreeHead, key: VerifierKey) -> TreeHead:
    try:
        same = verify_checkpoint(parse_note(note.encode()), [key]).head == head
    except PfnError as error:
        raise _wrong(Code.LOG_SIGNATURE, f"The signed tree of {head.size} entries: {error.detail}") from error
    if not same:
        raise _wrong(Code.LOG_SIGNATURE, f"The signed tree of {head.size} entries is kept beside another note.")
    return head


async def _walk(connection: AsyncConnection, size: int, heads: Sequence[TreeHead], report: Report) -> None:
    """Grow the tree anew from the leaves, holding it against the tiles and, where it passes them, the signed heads."""
    edge, due = Edge(), list(heads)
    report(0, size)
    while True:
        while due and due[0].size == edge.size:
            if edge.head != due[0]:
                raise _wrong(
                    Code.LOG_CONSISTENCY, f"The first {edge.size} entries do not make the tree that was signed."
                )
            due.pop(0)
        if edge.size == size:
            break
        end = min(edge.size + _BATCH, due[0].size if due else size, size)
        hashes = [leaf_hash(leaf) for leaf in await _read_leaves(connection, edge.size, end)]
        growth = grow(edge, hashes)
        await _compare(connection, {tile: data for tile, data in growth.tiles.items() if tile.is_full})
        edge = growth.edge
        report(edge.size, size)
    if due:
        raise _wrong(Code.LOG_ROLLBACK, f"The log has {size} entries, but a tree of {due[0].size} was signed.")
    await _compare(connection, dict(edge.tiles))
    if await count_tiles(connection) != len(written_tiles(0, size)):
        raise _wrong(Code.LOG_CONSISTENCY, f"There are other tiles than those of a tree of {size} entries.")


async def _read_leaves(connection: AsyncConnection, start: int, end: int) -> list[bytes]:
    """Give leaves, each of which can be read and is filed under what it says."""
    filed = await list_filed(connection, start, end)
    if len(filed) != end - start:
        raise _wrong(Code.LOG_CONSISTENCY, f"Of the entries from {start} to {end} some are missing.")
    for index, one in enumerate(filed, start):
        try:
            same = read_filed(one.leaf) == one
        except PfnError as error:
            raise _wrong(Code.LEAF_MISMATCH, f"Entry {index} cannot be read. {error.detail}") from error
        if not same:
            raise _wrong(Code.LEAF_MISMATCH, f"Entry {index} is filed under something that it does not say.")
    return [one.leaf for one in filed]


async def _compare(connection: AsyncConnection, tiles: dict[Tile, bytes]) -> None:
    stored = await read_tiles(connection, tiles)
    for tile, data in tiles.items():
        if stored.get(tile) != data:
            raise _wrong(Code.LOG_CONSISTENCY, f"The stored {tile.path} is not what the entries make.")


async def _check_releases(connection: AsyncConnection) -> int:
    count, after = 0, 0
    while placed := await list_placed(connection, after=after, limit=_BATCH):
        for one in placed:
            leaf = None if one.leaf is None else parse_leaf(one.leaf)
            said = (leaf.source, leaf.slug, leaf.version, leaf.sha256) if isinstance(leaf, ReleaseLeaf) else None
            if said != (one.source_id, one.plugin_id, one.version, one.sha256):
                raise _wrong(
                    Code.LEAF_MISMATCH,
                    f"{one.plugin_id} {one.version} of {one.source_id} has no entry in the log that is about it.",
                )
        count, after = count + len(placed), placed[-1].id
    return count


def _wrong(code: Code, detail: str) -> SecurityError:
    return SecurityError(code, detail)
