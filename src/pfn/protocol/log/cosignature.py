"""Cosignatures: a witness's word, with the time, for a checkpoint (C2SP tlog-cosignature, the Ed25519 kind).

Answers for: "at this time this was the largest tree of this log that I had seen, and it followed from all before". The
message names the checkpoint and the time but not the witness, so a key is one witness's alone.

Does not answer for: how many witnesses are enough (``policy``), or when a witness may say so (``witness``).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pfn.protocol.ed25519 import SIGNATURE_BYTES, SigningKey, verify
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.log.note import KeyType, Note, NoteSignature, VerifierKey

TIME_BYTES = 8
LARGEST_COSIGNED_TIME = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cosigner:
    """Who cosigns checkpoints with a signature of type 4."""

    name: str
    key: SigningKey

    @property
    def verifier_key(self) -> VerifierKey:
        """What others verify with."""
        return VerifierKey(self.name, self.key.public_key, KeyType.COSIGNATURE)


@dataclass(frozen=True, slots=True)
class Cosignature:
    """A cosignature that holds: whose, and when (Unix seconds)."""

    key: VerifierKey
    at: int


def cosign(note: Note, cosigner: Cosigner, at: int) -> NoteSignature:
    """Cosign the checkpoint in a note at ``at``, in Unix seconds."""
    key = cosigner.verifier_key
    signature = cosigner.key.sign(_message(note, at))
    return NoteSignature(key.name, key.key_id, at.to_bytes(TIME_BYTES, "big") + signature)


def verify_cosignatures(note: Note, keys: Iterable[VerifierKey]) -> tuple[Cosignature, ...]:
    """The cosignatures by ``keys``, all of type 4, one each, the newest; unknown ones are ignored.

    Raises SecurityError (``witness_signature``) where one in the name of a known key does not hold: somebody tampered.
    """
    found = []
    for key in keys:
        if key.key_type is not KeyType.COSIGNATURE:
            raise ValueError(f"{key.name} signs notes, not cosignatures")
        times = [_verify(note, key, value) for value in note.signatures_of(key)]
        if times:
            found.append(Cosignature(key, max(times)))
    return tuple(found)


def _verify(note: Note, key: VerifierKey, value: bytes) -> int:
    at = int.from_bytes(value[:TIME_BYTES], "big")
    well_formed = len(value) == TIME_BYTES + SIGNATURE_BYTES and at <= LARGEST_COSIGNED_TIME
    if not well_formed or not verify(key.key, _message(note, at), value[TIME_BYTES:]):
        raise SecurityError(Code.WITNESS_SIGNATURE, f"The cosignature in the name of {key.name} does not hold.")
    return at


def _message(note: Note, at: int) -> bytes:
    return f"cosignature/v1\ntime {at}\n{note.text}".encode()
