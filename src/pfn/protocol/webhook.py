"""Signatures of webhook messages: Standard Webhooks 1.0, what a sender writes and a receiver checks.

Answers for the three headers, for what is signed (``id.timestamp.body``), for both schemes (``v1``: HMAC-SHA-256 with a
shared secret; ``v1a``: Ed25519, whose verifier can be shown to anyone) and for how their keys are written. Does not
send anything, keep the ids a receiver has seen, or know what a message says.

Rules: a message carries a signature of every living key, so that receivers change over in their own time; a receiver
believes one good signature, compares in constant time, and takes nothing signed more than five minutes away from its
own clock.
"""

import base64
import binascii
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from pfn.protocol.ed25519 import PublicKey, SigningKey, parse_signature, verify
from pfn.protocol.errors import Code, PfnError, SecurityError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_S = 300

SHORTEST_SECRET, LONGEST_SECRET = 24, 64
_NEW_SECRET = 32
_SECRET, _SIGNING, _PUBLIC = "whsec_", "whsk_", "whpk_"
_MOST_SIGNATURES = 20


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A shared secret of 24 to 64 bytes; never shown by ``repr``. Raises PfnError (``invalid_field``) for others."""

    raw: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not SHORTEST_SECRET <= len(self.raw) <= LONGEST_SECRET:
            raise PfnError(
                Code.INVALID_FIELD, f"A webhook secret has {SHORTEST_SECRET} to {LONGEST_SECRET} bytes after {_SECRET}."
            )

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "WebhookSecret":
        """Make a new secret from a cryptographic source of randomness."""
        return cls(random_bytes(_NEW_SECRET))

    @classmethod
    def parse(cls, text: str) -> "WebhookSecret":
        """Read ``whsec_`` and base64. Raises PfnError (``invalid_field``)."""
        return cls(_read(text, _SECRET))

    @property
    def text(self) -> str:
        """The secret as receivers are given it."""
        return _write(_SECRET, self.raw)

    def sign(self, message: bytes) -> bytes:
        """Give the 32 bytes of the HMAC-SHA-256."""
        return hmac.digest(self.raw, message, "sha256")


@dataclass(frozen=True, slots=True)
class WebhookKeys:
    """What one webhook signs with, in both schemes."""

    secret: WebhookSecret
    signing: SigningKey

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "WebhookKeys":
        """Make new keys."""
        return cls(WebhookSecret.generate(random_bytes), SigningKey.generate(random_bytes))

    @property
    def public_text(self) -> str:
        """The public key, as receivers are given it."""
        return write_public_key(self.signing.public_key)


def write_signing_key(key: SigningKey) -> str:
    """Write a private key as ``whsk_`` and the base64 of its 32-byte seed."""
    return _write(_SIGNING, key.seed)


def read_signing_key(text: str) -> SigningKey:
    """Read what ``write_signing_key`` wrote. Raises PfnError (``invalid_field``, ``config_invalid``)."""
    return SigningKey(_read(text, _SIGNING))


def write_public_key(key: PublicKey) -> str:
    """Write a public key as ``whpk_`` and the base64 of its 32 bytes."""
    return _write(_PUBLIC, key.raw)


def read_public_key(text: str) -> PublicKey:
    """Read what ``write_public_key`` wrote. Raises PfnError (``invalid_field``, ``invalid_public_key``)."""
    return PublicKey(_read(text, _PUBLIC))


def sign_message(message_id: str, body: bytes, now: int, keys: Sequence[WebhookKeys]) -> dict[str, str]:
    """Give the headers of a message that is sent ``now`` (Unix seconds), signed with every one of ``keys``."""
    message = _signed(message_id, str(now), body)
    signatures = []
    for one in keys:
        signatures += [f"v1,{_encode(one.secret.sign(message))}", f"v1a,{_encode(one.signing.sign(message))}"]
    return {ID: message_id, TIMESTAMP: str(now), SIGNATURE: " ".join(signatures)}


def verify_message(
    headers: Mapping[str, str], body: bytes, now: float, trusted: Collection[WebhookSecret | PublicKey]
) -> str:
    """Check a message that came in and give its id, by which a receiver counts it once.

    ``headers`` are matched whatever their case; ``trusted`` are the keys one of which must have signed.
    Raises SecurityError (``signature_invalid``).
    """
    given = {name.lower(): value for name, value in headers.items()}
    if not {ID, TIMESTAMP, SIGNATURE} <= given.keys():
        raise _invalid("it lacks one of the headers webhook-id, webhook-timestamp and webhook-signature")
    stamp = given[TIMESTAMP]
    # A plain number only, of seconds: nothing that another program would read as another time.
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise _invalid("its timestamp is not a Unix time")
    if abs(now - int(stamp)) > TOLERANCE_S:
        raise _invalid("it was signed more than five minutes away from this clock")
    message = _signed(given[ID], stamp, body)
    signatures = given[SIGNATURE].split(" ")[:_MOST_SIGNATURES]
    if not any(_holds(text, message, key) for text in signatures for key in trusted):
        raise _invalid("none of its signatures is of a trusted key")
    return given[ID]


def _holds(text: str, message: bytes, key: WebhookSecret | PublicKey) -> bool:
    version, _, encoded = text.partition(",")
    if isinstance(key, WebhookSecret):
        expected = _encode(key.sign(message))
        return version == "v1" and hmac.compare_digest(expected.encode(), encoded.encode(errors="replace"))
    signature = parse_signature(encoded)
    return version == "v1a" and signature is not None and verify(key, message, signature)


def _signed(message_id: str, stamp: str, body: bytes) -> bytes:
    return f"{message_id}.{stamp}.".encode() + body


def _write(prefix: str, raw: bytes) -> str:
    return prefix + _encode(raw)


def _read(text: str, prefix: str) -> bytes:
    # The sentence never repeats the text: it may be a secret.
    encoded = text.removeprefix(prefix)
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise PfnError(Code.INVALID_FIELD, f"What follows {prefix} is not base64.") from error
    if encoded == text:
        raise PfnError(Code.INVALID_FIELD, f"This kind of webhook key begins with {prefix}.")
    return raw


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _invalid(reason: str) -> SecurityError:
    return SecurityError(Code.SIGNATURE_INVALID, f"The message is not to be believed: {reason}.")
