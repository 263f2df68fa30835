"""Trees for tests: the definition of RFC 6962 word for word, as the oracle, and a log's keys and notes."""

import hashlib
from collections.abc import Iterable, Sequence
from functools import cache

from tests.support.signed import NOW, key

from pfn.protocol.log.checkpoint import Checkpoint, TreeHead, sign_checkpoint
from pfn.protocol.log.cosignature import Cosigner, cosign
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.note import Note, NoteSigner, add_signatures
from pfn.protocol.log.policy import PolicyLog, Witness
from pfn.protocol.log.tile import Tile

ORIGIN = "node.example.com/pfn"
LOG = NoteSigner(ORIGIN, key("log"))
OTHER_LOG = NoteSigner("other.example.net/pfn", key("other log"))
WITNESSES = tuple(
    Cosigner(name, key(name))
    for name in ("one.example/w", "two.example/w", "three.example/w", "three.example/w2", "five.example/w")
)
KNOWN_LOG = PolicyLog(LOG.verifier_key)
KNOWN_WITNESSES = tuple(Witness(name, cosigner.verifier_key) for name, cosigner in zip("ABCDE", WITNESSES, strict=True))

# Around every power of two, and of 256, that a test can afford to build.
SIZES = sorted({0, *(max(0, 2**power + more) for power in range(10) for more in (-1, 0, 1))})
LARGE_SIZES = [255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 65_536 + 256, 65_536 + 257, 70_000]


def leaves(count: int, label: str = "leaf") -> list[bytes]:
    return [f"{label} {number}".encode() for number in range(count)]


@cache
def hashed(count: int, label: str = "leaf") -> tuple[bytes, ...]:
    return tuple(hash_leaf(leaf) for leaf in leaves(count, label))


def hash_leaf(leaf: bytes) -> bytes:
    return hashlib.sha256(b"\0" + leaf).digest()


def naive_root(hashes: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = split(len(hashes))
    return hashlib.sha256(b"\1" + naive_root(hashes[:k]) + naive_root(hashes[k:])).digest()


def naive_path(m: int, hashes: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(hashes) == 1:
        return []
    k = split(len(hashes))
    if m < k:
        return [*naive_path(m, hashes[:k]), naive_root(hashes[k:])]
    return [*naive_path(m - k, hashes[k:]), naive_root(hashes[:k])]


def naive_proof(m: int, hashes: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b), with b true the PROOF(m, D[n])."""
    if m == len(hashes):
        return [] if whole else [naive_root(hashes)]
    k = split(len(hashes))
    if m <= k:
        return [*naive_proof(m, hashes[:k], whole=whole), naive_root(hashes[k:])]
    return [*naive_proof(m - k, hashes[k:], whole=False), naive_root(hashes[:k])]


def split(count: int) -> int:
    """The largest power of two below ``count``."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def read_from(hashes: Sequence[bytes]):
    """How to read any node of a tree."""
    return lambda level, index: naive_root(hashes[index << level : (index + 1) << level])


@cache
def tiled(size: int, label: str = "leaf") -> tuple[TreeHead, dict[Tile, bytes]]:
    """A tree's head and all its tiles, full and partial."""
    growth = grow(Edge(), hashed(size, label))
    return growth.edge.head, dict(growth.tiles)


def checkpoint(size: int, label: str = "leaf", origin: str = ORIGIN) -> Checkpoint:
    head, _ = tiled(size, label)
    return Checkpoint(origin, head.size, head.root)


def signed(size: int, label: str = "leaf") -> Note:
    return sign_checkpoint(checkpoint(size, label), LOG)


def cosigned(note: Note, witnesses: Iterable[Cosigner] = WITNESSES, at: int = NOW) -> Note:
    return add_signatures(note, [cosign(note, witness, at) for witness in witnesses])
