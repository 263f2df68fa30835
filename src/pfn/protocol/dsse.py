"""DSSE 1.0: the envelope around every signed document (protocol.md section 3).

Answers for: what a signature covers, the pre-authentication encoding of payload type and payload, and whose signatures
hold. Ed25519 only. Narrower than DSSE where DSSE leaves a choice: base64 is the standard alphabet with padding, a
signature counts only for the key its ``keyid`` names, and no ``keyid`` comes twice. As in DSSE, unknown members are
ignored and a ``keyid`` that says nothing to us does no harm.

Does not answer for: which keys should have signed, or what the payload means.
"""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pfn.protocol.ed25519 import PublicKey, SigningKey, verify
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.strict_json import JsonValue, parse_json

MAX_ENVELOPE_BYTES = 1024 * 1024
MAX_SIGNATURES = 16
MAX_DEPTH = 16
# Room for other algorithms beside Ed25519's 64 bytes, which are then not counted.
MAX_SIGNATURE_TEXT = 16_384
MAX_NAME = 255


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature as sent: whose it claims to be, and its bytes."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload and the signatures around it; nothing is verified yet."""

    payload_type: str
    payload: bytes
    signatures: tuple[Signature, ...]

    @property
    def payload_hash(self) -> str:
        """SHA-256 of the payload in hex: what the next document's ``previous`` says, and the name of this one."""
        return hashlib.sha256(self.payload).hexdigest()


def key_id(key: PublicKey) -> str:
    """The id of a key: SHA-256 of its 32 raw bytes, 64 lower-case hex digits."""
    return hashlib.sha256(key.raw).hexdigest()


def pae(payload_type: str, payload: bytes) -> bytes:
    """The bytes that are signed: ``DSSEv1``, type and payload, each with its length in bytes, between spaces."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def sign_envelope(payload_type: str, payload: bytes, keys: Iterable[SigningKey]) -> Envelope:
    """Put a payload into an envelope signed by each of ``keys``."""
    return add_signatures(Envelope(payload_type, payload, ()), keys)


def add_signatures(envelope: Envelope, keys: Iterable[SigningKey]) -> Envelope:
    """The same envelope, signed by ``keys`` too: root keys may be in several hands."""
    message = pae(envelope.payload_type, envelope.payload)
    signatures = {signature.key_id: signature for signature in envelope.signatures}
    for key in keys:
        identity = key_id(key.public_key)
        signatures[identity] = Signature(identity, key.sign(message))
    return replace(envelope, signatures=tuple(signatures.values()))


def signers(envelope: Envelope, keys: Iterable[PublicKey]) -> frozenset[str]:
    """The ids of those of ``keys`` whose signature over type and payload holds."""
    message = pae(envelope.payload_type, envelope.payload)
    sent = {signature.key_id: signature.value for signature in envelope.signatures}
    return frozenset(
        identity
        for key in keys
        if (value := sent.get(identity := key_id(key))) is not None and verify(key, message, value)
    )


def write_envelope(envelope: Envelope) -> bytes:
    """The JSON of an envelope, for a file or an answer."""
    members = {
        "payload": base64.b64encode(envelope.payload).decode("ascii"),
        "payloadType": envelope.payload_type,
        "signatures": [
            {"keyid": signature.key_id, "sig": base64.b64encode(signature.value).decode("ascii")}
            for signature in envelope.signatures
        ],
    }
    return json.dumps(members, separators=(",", ":")).encode()


def parse_envelope(data: bytes, *, max_bytes: int = MAX_ENVELOPE_BYTES) -> Envelope:
    """Read the JSON of an envelope. Raises PfnError (``publisher_document``) for anything but one."""
    try:
        members = parse_json(data, max_bytes=max_bytes, max_depth=MAX_DEPTH, code=Code.PUBLISHER_DOCUMENT)
    except PfnError as error:
        raise _refused(f"The envelope cannot be read. {error.detail}") from error
    if not isinstance(members, dict):
        raise _refused("A signed document is a JSON object with payload, payloadType and signatures.")
    payload_type, entries = members.get("payloadType"), members.get("signatures")
    if not isinstance(payload_type, str) or not 0 < len(payload_type) <= MAX_NAME:
        raise _refused("The envelope's payloadType is missing or no short string.")
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_SIGNATURES:
        raise _refused(f"The envelope must have a list of 1 to {MAX_SIGNATURES} signatures.")
    payload = _decode(members.get("payload"))
    if payload is None:
        raise _refused("The envelope's payload is not padded standard base64.")
    signatures = tuple(_read_signature(entry) for entry in entries)
    named = [signature.key_id for signature in signatures if signature.key_id]
    if len(set(named)) != len(named):
        raise _refused("The envelope has two signatures under one keyid.")
    return Envelope(payload_type, payload, signatures)


def _read_signature(entry: JsonValue) -> Signature:
    if not isinstance(entry, dict):
        raise _refused("A signature in an envelope is an object with keyid and sig.")
    identity = entry.get("keyid", "")
    if not isinstance(identity, str) or len(identity) > MAX_NAME:
        raise _refused("The keyid of a signature is no short string.")
    text = entry.get("sig")
    value = _decode(text) if isinstance(text, str) and len(text) <= MAX_SIGNATURE_TEXT else None
    if value is None:
        raise _refused("The sig of a signature is not padded standard base64.")
    return Signature(identity, value)


def _decode(text: JsonValue) -> bytes | None:
    """Padded standard base64 in its one spelling."""
    if not isinstance(text, str):
        return None
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return decoded if base64.b64encode(decoded).decode("ascii") == text else None


def _refused(detail: str) -> PfnError:
    return PfnError(Code.PUBLISHER_DOCUMENT, detail)
