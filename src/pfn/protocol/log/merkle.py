"""Merkle trees as RFC 6962 has them: hashes, roots, proofs made and verified (facts: transparency log).

Answers for: one notion of the tree, on which makers and verifiers of proofs agree. A subtree is a range of leaves
``[start, end)``; a proof is the hashes of the ranges beside the way from one subtree up to the root, and
``_ranges_beside`` alone says which these are. A *node* ``(level, index)`` is a complete subtree, of the ``2**level``
leaves from ``index << level`` on: the hashes that never change again, and all that is stored.

Does not answer for: where nodes are kept. Makers take a function that reads one; ``…_nodes`` tell beforehand which ones
will be read.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pfn.protocol.errors import Code, SecurityError

Node: TypeAlias = tuple[int, int]
ReadNode: TypeAlias = Callable[[int, int], bytes]
_Range: TypeAlias = tuple[int, int]

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(leaf: bytes) -> bytes:
    """The hash of a leaf's bytes."""
    return hashlib.sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """A tree's right edge: enough to append to it and to know its root, without its leaves.

    ``hashes`` are those of the complete subtrees from left to right, one for each bit that is set in ``size``.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if len(self.hashes) != self.size.bit_count():
            raise ValueError(f"the frontier of {self.size} leaves has {self.size.bit_count()} hashes")

    @property
    def root(self) -> bytes:
        """The root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        return _fold_leftwards(self.hashes)

    def extend(self, leaf_hashes: Iterable[bytes]) -> "Frontier":
        """The frontier after more leaves."""
        size, hashes = self.size, list(self.hashes)
        for hashed in leaf_hashes:
            merged, rest = hashed, size
            while rest & 1:
                merged, rest = node_hash(hashes.pop(), merged), rest >> 1
            hashes.append(merged)
            size += 1
        return Frontier(size, tuple(hashes))


def frontier_nodes(size: int) -> list[Node]:
    """The nodes of a tree's frontier, which also make its root."""
    return _nodes_in((0, size))


def inclusion_nodes(index: int, size: int) -> list[Node]:
    """The nodes ``prove_inclusion`` reads."""
    return [node for one in _inclusion_ranges(index, size) for node in _nodes_in(one)]


def consistency_nodes(old: int, new: int) -> list[Node]:
    """The nodes ``prove_consistency`` reads."""
    return [node for one in _consistency_ranges(old, new) for node in _nodes_in(one)]


def read_frontier(size: int, read_node: ReadNode) -> Frontier:
    """The frontier of a tree of which all nodes are kept; ``.root`` is the tree's root."""
    return Frontier(size, tuple(read_node(*node) for node in frontier_nodes(size)))


def prove_inclusion(index: int, size: int, read_node: ReadNode) -> tuple[bytes, ...]:
    """The proof, leaf-side first, that leaf ``index`` is in the tree of ``size`` leaves. ValueError outside of it."""
    return tuple(_hash_of(one, read_node) for one in _inclusion_ranges(index, size))


def prove_consistency(old: int, new: int, read_node: ReadNode) -> tuple[bytes, ...]:
    """The proof that the tree of ``new`` leaves starts with that of ``old``; empty where ``old`` is 0 or ``new``."""
    return tuple(_hash_of(one, read_node) for one in _consistency_ranges(old, new))


def check_inclusion(hashed: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Believe that the leaf whose hash is ``hashed`` stands at ``index``. Raises SecurityError (``log_inclusion``)."""
    if not 0 <= index < size:
        raise SecurityError(Code.LOG_INCLUSION, f"A tree of {size} entries has no entry {index}.")
    beside = _inclusion_ranges(index, size)
    if len(proof) != len(beside):
        raise SecurityError(
            Code.LOG_INCLUSION,
            f"The proof for entry {index} of {size} has {len(proof)} hashes; it needs {len(beside)}.",
        )
    if _climb(hashed, index, beside, proof) != root:
        raise SecurityError(Code.LOG_INCLUSION, f"The proof for entry {index} does not lead to the log's tree.")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Believe that a tree starts with an older one. Raises SecurityError (``log_consistency``)."""
    if not 0 <= old <= new:
        raise SecurityError(Code.LOG_CONSISTENCY, f"A tree of {new} entries cannot follow one of {old}.")
    needed = len(_consistency_ranges(old, new))
    if len(proof) != needed:
        raise SecurityError(
            Code.LOG_CONSISTENCY,
            f"The proof from {old} to {new} entries has {len(proof)} hashes; it needs {needed}.",
        )
    if not _is_consistent(old, old_root, new, new_root, proof):
        raise SecurityError(Code.LOG_CONSISTENCY, f"The tree of {new} entries does not start with that of {old}.")


def _is_consistent(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    if old == 0:
        return old_root == EMPTY_ROOT and (new > 0 or new_root == EMPTY_ROOT)
    if old == new:
        return old_root == new_root
    # The old tree's last complete subtree is in both trees, and in the old one everything beside it is on its left.
    start = _last_complete(old)
    (first, *rest) = proof if start else (old_root, *proof)
    beside = _ranges_beside(start, old, new)
    left = [hashed for one, hashed in zip(beside, rest, strict=True) if one[0] < start]
    return _fold_leftwards([*reversed(left), first]) == old_root and _climb(first, start, beside, rest) == new_root


def _inclusion_ranges(index: int, size: int) -> list[_Range]:
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    return _ranges_beside(index, index + 1, size)


def _consistency_ranges(old: int, new: int) -> list[_Range]:
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves does not start with one of {old}")
    if old in {0, new}:
        return []
    start = _last_complete(old)
    # Where the old tree is one complete subtree, its root is known already.
    itself = [(start, old)] if start else []
    return itself + _ranges_beside(start, old, new)


def _ranges_beside(start: int, end: int, size: int) -> list[_Range]:
    """The ranges beside the way from the complete subtree ``[start, end)`` up to the root, lowest first."""
    low, high = 0, size
    beside = []
    while high - low > end - start:
        middle = low + _largest_power_below(high - low)
        if end <= middle:
            beside.append((middle, high))
            high = middle
        else:
            beside.append((low, middle))
            low = middle
    return beside[::-1]


def _climb(hashed: bytes, start: int, beside: Sequence[_Range], proof: Sequence[bytes]) -> bytes:
    """The root over a subtree that starts at leaf ``start`` and what is beside its way up."""
    for one, other in zip(beside, proof, strict=True):
        hashed = node_hash(other, hashed) if one[0] < start else node_hash(hashed, other)
    return hashed


def _nodes_in(one: _Range) -> list[Node]:
    """The complete subtrees a range consists of, left to right, each smaller than the one before."""
    start, end = one
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _hash_of(one: _Range, read_node: ReadNode) -> bytes:
    return _fold_leftwards([read_node(*node) for node in _nodes_in(one)])


def _fold_leftwards(hashes: Sequence[bytes]) -> bytes:
    """The hash over complete subtrees, from the smallest, on the right, to the largest."""
    *others, hashed = hashes
    for other in reversed(others):
        hashed = node_hash(other, hashed)
    return hashed


def _last_complete(size: int) -> int:
    """Where the smallest, and last, complete subtree of a tree starts."""
    return size & (size - 1)


def _largest_power_below(count: int) -> int:
    return 1 << (count - 1).bit_length() - 1
