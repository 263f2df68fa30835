"""Signed notes: a text and the signatures below it (facts: transparency log; C2SP signed-note 1.0.0).

Answers for: reading and writing a note byte for byte, key names, key ids and verifier keys (``name+id+base64``), and
whose Ed25519 signatures hold. Narrower than the specification where it leaves a choice: base64 has one spelling, and a
note is refused as a whole where a known key's signature fails, whatever else signed it.

Signatures by unknown keys are ignored and kept: a note read and written again is the same bytes.

Does not answer for: what the text says (``checkpoint``), or a witness's timestamped signatures (``cosignature``).
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum

from pfn.protocol.ed25519 import KEY_BYTES, PublicKey, SigningKey, verify
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.line import malformed, read_base64, read_text, write_base64

# Room for 64 signatures of post-quantum length.
MAX_NOTE_BYTES = 256 * 1024
MAX_SIGNATURES = 64
MAX_VERIFIER_KEY = 2048
KEY_ID_BYTES = 4

_DASH = "\u2014 "
_VERIFIER_KEY = re.compile(r"(?P<name>[^+]+)\+(?P<id>[0-9a-f]{8})\+(?P<key>[A-Za-z0-9+/=]+)")


class KeyType(IntEnum):
    """The signature types used here; the byte is part of a key's id, so no signature passes as another type's."""

    NOTE = 0x01
    COSIGNATURE = 0x04


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Who may sign, under which name and how. PfnError (``invalid_public_key``) for a name no note can carry."""

    name: str
    key: PublicKey
    key_type: KeyType = KeyType.NOTE

    def __post_init__(self) -> None:
        if not is_key_name(self.name):
            raise _unusable("The name of a verifier key is not empty and has no spaces and no plus in it.")

    @property
    def key_id(self) -> bytes:
        """The first four bytes of the SHA-256 over name, newline, type and key."""
        return hashlib.sha256(self.name.encode() + b"\n" + self._typed).digest()[:KEY_ID_BYTES]

    @property
    def text(self) -> str:
        """``name+id+base64``, as operators exchange it."""
        return f"{self.name}+{self.key_id.hex()}+{write_base64(self._typed)}"

    @property
    def _typed(self) -> bytes:
        return bytes([self.key_type]) + self.key.raw


@dataclass(frozen=True, slots=True)
class NoteSigner:
    """Who signs notes with a signature of type 1."""

    name: str
    key: SigningKey

    @property
    def verifier_key(self) -> VerifierKey:
        """What others verify with."""
        return VerifierKey(self.name, self.key.public_key)


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: whose it claims to be, and the bytes after the key id."""

    name: str
    key_id: bytes
    value: bytes

    @property
    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {write_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and the signatures below it; nothing is verified yet."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def signatures_of(self, key: VerifierKey) -> tuple[bytes, ...]:
        """What is signed in the name of ``key``: name and key id are both the same."""
        return tuple(one.value for one in self.signatures if (one.name, one.key_id) == (key.name, key.key_id))


def is_key_name(text: str) -> bool:
    """Whether ``text`` can name a key: not empty, no Unicode spaces, no plus, no control characters."""
    return bool(text) and not any(character.isspace() or character == "+" or character < " " for character in text)


def parse_verifier_key(text: str) -> VerifierKey:
    """Read ``name+id+base64``. Raises PfnError (``invalid_public_key``)."""
    found = _VERIFIER_KEY.fullmatch(text) if len(text) <= MAX_VERIFIER_KEY else None
    if found is None:
        raise _unusable("A verifier key is written name+id+base64.")
    try:
        typed = read_base64(found["key"], "The key")
    except PfnError as error:
        raise _unusable(f"The verifier key cannot be read. {error.detail}") from error
    if len(typed) != 1 + KEY_BYTES or typed[0] not in set(KeyType):
        raise _unusable("The verifier key is of a type that is not used here; Ed25519 is, for notes and cosignatures.")
    key = VerifierKey(found["name"], PublicKey(typed[1:]), KeyType(typed[0]))
    if key.key_id.hex() != found["id"]:
        raise _unusable(f"The id in the verifier key is {found['id']}; name and key make {key.key_id.hex()}.")
    return key


def parse_note(data: bytes) -> Note:
    """Read a note; the text ends at the last blank line. Raises PfnError (``log_malformed``)."""
    whole = read_text(data, max_bytes=MAX_NOTE_BYTES, name="The note")
    text, blank, below = whole.rpartition("\n\n")
    if not blank or not below:
        raise malformed("The note has no signatures below a blank line.")
    return Note(text + "\n", parse_signatures(below))


def parse_signatures(text: str) -> tuple[NoteSignature, ...]:
    """Read signature lines, each ending in a newline. Raises PfnError (``log_malformed``)."""
    *lines, rest = text.split("\n")
    if rest or not lines:
        raise malformed("Signature lines each end in a newline.")
    if len(lines) > MAX_SIGNATURES:
        raise malformed(f"The note has {len(lines)} signatures; at most {MAX_SIGNATURES} are read.")
    return tuple(_read_signature(line) for line in lines)


def write_note(note: Note) -> bytes:
    """The bytes of a note."""
    return f"{note.text}\n{''.join(one.line for one in note.signatures)}".encode()


def sign_note(text: str, signers: Iterable[NoteSigner]) -> Note:
    """Sign a text, which ends in a newline."""
    if not text.endswith("\n"):
        raise ValueError("a note's text ends in a newline")
    return add_signatures(Note(text, ()), (_sign(text, signer) for signer in signers))


def add_signatures(note: Note, signatures: Iterable[NoteSignature]) -> Note:
    """The same note with more signatures; one by the same name and key id is replaced."""
    listed = {(one.name, one.key_id): one for one in (*note.signatures, *signatures)}
    return replace(note, signatures=tuple(listed.values()))


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> tuple[VerifierKey, ...]:
    """Those of ``keys``, all of type 1, that signed: at least one, and none whose signature fails.

    Raises SecurityError (``log_signature``).
    """
    message = note.text.encode()
    signed = []
    for key in keys:
        if key.key_type is not KeyType.NOTE:
            raise ValueError(f"{key.name} signs cosignatures, not notes")
        values = note.signatures_of(key)
        if not all(verify(key.key, message, value) for value in values):
            raise SecurityError(Code.LOG_SIGNATURE, f"The note's signature in the name of {key.name} does not hold.")
        if values:
            signed.append(key)
    if not signed:
        raise SecurityError(Code.LOG_SIGNATURE, "No known key signed the note.")
    return tuple(signed)


def _sign(text: str, signer: NoteSigner) -> NoteSignature:
    key = signer.verifier_key
    return NoteSignature(key.name, key.key_id, signer.key.sign(text.encode()))


def _read_signature(line: str) -> NoteSignature:
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_key_name(name):
        raise malformed("A signature line is an em dash, a name and base64, with single spaces between.")
    value = read_base64(encoded, "A signature")
    if len(value) <= KEY_ID_BYTES:
        raise malformed("A signature is too short to hold a key id and a signature.")
    return NoteSignature(name, value[:KEY_ID_BYTES], value[KEY_ID_BYTES:])


def _unusable(detail: str) -> PfnError:
    return PfnError(Code.INVALID_KEY, detail)
