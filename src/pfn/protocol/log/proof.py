"""``.tlog-proof``: that an entry is in a log, for anybody and offline (C2SP tlog-proof).

Answers for: the text, byte for byte, and the two questions it settles: is the checkpoint one that a known log signed
and enough witnesses saw, and is the entry in its tree.

Does not answer for: what the entry says. ``extra`` is covered by no signature.
"""

from dataclasses import dataclass

from pfn.protocol.log.checkpoint import parse_checkpoint
from pfn.protocol.log.line import (
    MAX_PROOF,
    malformed,
    read_base64,
    read_number,
    read_proof,
    read_text,
    write_base64,
)
from pfn.protocol.log.merkle import check_inclusion, leaf_hash
from pfn.protocol.log.note import MAX_NOTE_BYTES, Note, parse_note, write_note
from pfn.protocol.log.policy import DEFAULT_MAX_AGE, Policy, WitnessedCheckpoint, verify_witnessed

MAX_EXTRA_BYTES = 64 * 1024
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES + 64 * MAX_PROOF

_FIRST = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True, slots=True)
class TlogProof:
    """Where an entry is, the hashes beside its way up, leaf-side first, and the checkpoint of the tree they lead to."""

    index: int
    hashes: tuple[bytes, ...]
    note: Note
    extra: bytes | None = None


def parse_proof(data: bytes) -> TlogProof:
    """Read a proof. Raises PfnError (``log_malformed``)."""
    text = read_text(data, max_bytes=MAX_PROOF_BYTES, name="The proof")
    # Before the checkpoint no line is empty, so the first empty one ends the proof's own lines.
    head, blank, note = text.partition("\n\n")
    first, *lines = head.split("\n")
    if first != _FIRST or not blank:
        raise malformed(f"A proof starts with the line {_FIRST}, and a blank line stands before its checkpoint.")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = read_base64(lines.pop(0).removeprefix("extra "), "The proof's extra data")
    if not lines or not lines[0].startswith("index "):
        raise malformed("The proof does not say its index.")
    index = read_number(lines[0].removeprefix("index "), "The proof's index")
    proof = TlogProof(index, read_proof(lines[1:], "the proof"), parse_note(note.encode()), extra)
    parse_checkpoint(proof.note.text)
    return proof


def write_proof(proof: TlogProof) -> bytes:
    """The bytes of a proof, with the checkpoint as it came."""
    extra = [] if proof.extra is None else [f"extra {write_base64(proof.extra)}"]
    lines = [_FIRST, *extra, f"index {proof.index}", *(write_base64(one) for one in proof.hashes), "", ""]
    return "\n".join(lines).encode() + write_note(proof.note)


def check_entry(entry: bytes, proof: TlogProof) -> None:
    """Believe that ``entry`` is in the tree of the proof's checkpoint, of which nothing is said here.

    Raises SecurityError (``log_inclusion``), PfnError (``log_malformed``).
    """
    checkpoint = parse_checkpoint(proof.note.text)
    check_inclusion(leaf_hash(entry), proof.index, checkpoint.size, proof.hashes, checkpoint.root)


def verify_proof(
    entry: bytes, proof: TlogProof, policy: Policy, *, now: int, max_age: int = DEFAULT_MAX_AGE
) -> WitnessedCheckpoint:
    """Believe that ``entry`` is in a known and witnessed log. Raises like ``verify_witnessed`` and ``check_entry``."""
    witnessed = verify_witnessed(proof.note, policy, now=now, max_age=max_age)
    check_entry(entry, proof)
    return witnessed
