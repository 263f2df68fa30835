"""Checkpoints: what a log signs of its tree, and whether one tree follows another (C2SP tlog-checkpoint 1.0.0).

Answers for: origin, size, root and extension lines, exactly; that the key named like the origin signed; and the three
ways a later checkpoint contradicts a known one: smaller, another root at one size, no consistency.

Does not answer for: who witnessed it (``cosignature``, ``policy``).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.line import HASH_BYTES, LARGEST_SIZE, malformed, read_hash, read_number, write_base64
from pfn.protocol.log.merkle import check_consistency
from pfn.protocol.log.note import Note, NoteSigner, VerifierKey, sign_note, verify_note


@dataclass(frozen=True, slots=True)
class TreeHead:
    """A tree's size in leaves and its root."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The text of a checkpoint in parts. ``extensions`` are opaque lines, best left out."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not all(line and "\n" not in line for line in (self.origin, *self.extensions)):
            raise ValueError("origin and extensions are lines that are not empty")
        if not 0 <= self.size <= LARGEST_SIZE or len(self.root) != HASH_BYTES:
            raise ValueError("a checkpoint has a size and a root of 32 bytes")

    @property
    def head(self) -> TreeHead:
        """Size and root."""
        return TreeHead(self.size, self.root)

    @property
    def text(self) -> str:
        """The note's text: what is signed."""
        lines = (self.origin, str(self.size), write_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def parse_checkpoint(text: str) -> Checkpoint:
    """Read a note's text. Raises PfnError (``log_malformed``)."""
    *lines, rest = text.split("\n")
    if rest or len(lines) < 3 or not all(lines):
        raise malformed("A checkpoint has at least three lines, none of them empty: origin, size and root.")
    origin, size, root, *extensions = lines
    return Checkpoint(
        origin,
        read_number(size, "The checkpoint's size"),
        read_hash(root, "The checkpoint's root"),
        tuple(extensions),
    )


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> Note:
    """Sign a checkpoint with its log's key, whose name is the origin."""
    if signer.name != checkpoint.origin:
        raise ValueError("a log's key is named like its origin")
    return sign_note(checkpoint.text, [signer])


def verify_checkpoint(note: Note, keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint in a note that its log signed; ``keys`` are those of all known logs, named like their origins.

    Raises SecurityError (``log_signature``); PfnError: ``log_malformed``, ``log_unknown`` where no key has the origin's
    name.
    """
    checkpoint = parse_checkpoint(note.text)
    own = [key for key in keys if key.name == checkpoint.origin]
    if not own:
        raise PfnError(Code.LOG_UNKNOWN, "The checkpoint is of a log that is not known here.")
    verify_note(note, own)
    return checkpoint


def check_successor(known: TreeHead, new: TreeHead, proof: Sequence[bytes]) -> None:
    """Believe that ``new`` is the known tree or grew from it; ``proof`` is the consistency proof from one to the other.

    Raises SecurityError: ``log_rollback`` (an older tree, or an older answer: ask again), ``log_fork`` (evidence: keep
    both notes), ``log_consistency``.
    """
    if new.size < known.size:
        raise SecurityError(
            Code.LOG_ROLLBACK, f"A tree of {new.size} entries was shown; one of {known.size} is known already."
        )
    if new.size == known.size and new.root != known.root:
        raise SecurityError(Code.LOG_FORK, f"The log has two different trees of {new.size} entries.")
    check_consistency(known.size, known.root, new.size, new.root, proof)
