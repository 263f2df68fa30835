"""Entry bundles: the leaves themselves, up to 256 in a file, and following a log by them (C2SP tlog-tiles).

Answers for: the encoding, each leaf with its length in two bytes before it; and that leaves which were fetched are
those of the tree a log signed. Whoever keeps a log's frontier and reads on needs no consistency proof: the leaves
themselves prove that the new tree grew from the known one, that none was left out, and each its place.

Does not answer for: what a leaf says (``entry``).
"""

from collections.abc import Iterable, Sequence

from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.log.checkpoint import TreeHead, check_successor
from pfn.protocol.log.line import malformed
from pfn.protocol.log.merkle import Frontier, leaf_hash
from pfn.protocol.log.tile import TILE_WIDTH

LENGTH_BYTES = 2
MAX_ENTRY_BYTES = 2**16 - 1
MAX_BUNDLE_BYTES = TILE_WIDTH * (LENGTH_BYTES + MAX_ENTRY_BYTES)


def write_entries(entries: Iterable[bytes]) -> bytes:
    """The bytes of a bundle. ValueError for an entry longer than 65,535 bytes."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise ValueError(f"an entry has at most {MAX_ENTRY_BYTES} bytes, not {len(entry)}")
        parts += (len(entry).to_bytes(LENGTH_BYTES, "big"), entry)
    return b"".join(parts)


def read_entries(data: bytes, count: int) -> tuple[bytes, ...]:
    """The ``count`` entries of a bundle. Raises PfnError (``log_malformed``) where there are more, fewer or half."""
    entries: list[bytes] = []
    at = 0
    while at < len(data) and len(entries) < count:
        start = at + LENGTH_BYTES
        at = start + int.from_bytes(data[at:start], "big")
        entries.append(data[start:at])
    if len(entries) != count or at != len(data):
        raise malformed(f"The entry bundle has not the {count} entries it should have.")
    return tuple(entries)


def follow_entries(frontier: Frontier, entries: Sequence[bytes], head: TreeHead) -> Frontier:
    """Believe that ``entries`` are all that lies between a known tree and a signed one; gives the frontier of that.

    Raises SecurityError: ``log_rollback`` (the signed tree is smaller), ``log_fork`` (it has the known size and another
    root), ``log_consistency`` (too many or too few, or they do not make the tree).
    """
    if head.size <= frontier.size:
        check_successor(TreeHead(frontier.size, frontier.root), head, ())
    if head.size != frontier.size + len(entries):
        raise SecurityError(
            Code.LOG_CONSISTENCY,
            f"{len(entries)} entries do not lead from a tree of {frontier.size} to one of {head.size}.",
        )
    grown = frontier.extend(leaf_hash(entry) for entry in entries)
    if grown.root != head.root:
        raise SecurityError(
            Code.LOG_CONSISTENCY, f"The entries from {frontier.size} on do not make the signed tree of {head.size}."
        )
    return grown
