"""Ed25519: which keys are accepted, what a valid signature is, and how keys are written.

Answers for: one verdict on every node and every WordPress site. Libraries disagree at the edges, and under
some keys one signature fits every message; no signature would prove anything without the acceptance rule
(facts: threats and architecture, b.1), kept here for every publisher's and peer's key:

* a key is 32 bytes, from a well-formed SPKI or raw: canonically encoded, of prime order, so not small-order;
* a signature is 64 bytes: S below the group order, R canonically encoded and of prime order.

A ``PublicKey`` cannot exist unless it keeps the rule. Within the rule the verdict is libsodium's, and is the same
whether libsodium compares with the cofactor or without. Which of the two it does is tried once, at start: without, its
own comparison says nearly all that is to be known of R, and asking again would cost as much as the signature does.

Does not answer for: what a key may sign or for how long; encrypted private keys; any other algorithm.
"""

import base64
import hashlib
import re
import secrets
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from nacl.bindings import crypto_core_ed25519_is_valid_point, crypto_sign_open
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey as SodiumSigningKey

from pfn.protocol.errors import Code, PfnError

KEY_BYTES = 32
SIGNATURE_BYTES = 64
MAX_KEY_TEXT = 4096

_FIELD_PRIME = 2**255 - 19
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
_SIGN_BIT = 1 << 255

# The ordinates of the points of order 1, 2, 4, 8 and their non-canonical twins. With the sign, 14 encodings.
_SMALL_ORDER_ORDINATES = frozenset(
    int.from_bytes(bytes.fromhex(encoding), "little")
    for encoding in (
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    )
)

# A key of prime order, and a signature by it over "pfn" whose R has a part of order 8.
_MIXED_KEY = bytes.fromhex("374e0bcdeb2d1cf9f92758c592c0d2bfcc066f649c90d8694232950041a20016")
_MIXED_SIGNATURE = bytes.fromhex(
    "035edc920b106ab01718861413ad627b336b23e36316749cd01937ccbb953877"
    "f7890a5cb20ff9d6a6b512fb477aea370f0530000260819c42e72d879ca48f04"
)

# DER up to the 32 bytes: SubjectPublicKeyInfo and PKCS#8 version 1, both of algorithm 1.3.101.112 (RFC 8410).
_SPKI_PREFIX = bytes.fromhex("302a300506032b6570032100")
_PKCS8_PREFIX = bytes.fromhex("302e020100300506032b657004220420")

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\s]*)-----END \1-----")
# Their object identifiers in DER.
_OTHER_ALGORITHMS = {
    bytes.fromhex("06092a864886f70d010101"): "an RSA key",
    bytes.fromhex("06072a8648ce3d0201"): "an ECDSA key",
    bytes.fromhex("06032b656e"): "an X25519 key",
    bytes.fromhex("06032b6571"): "an Ed448 key",
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that keeps the acceptance rule; for bytes that don't, PfnError(INVALID_KEY) is raised."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise _invalid(f"An Ed25519 public key has {KEY_BYTES} bytes; this one has {len(self.raw)}.")
        if _read_ordinate(self.raw) in _SMALL_ORDER_ORDINATES:
            raise _invalid("The public key is a small-order point: one signature would fit every message.")
        if _read_ordinate(self.raw) >= _FIELD_PRIME:
            raise _invalid("The public key is not canonically encoded.")
        if not crypto_core_ed25519_is_valid_point(self.raw):
            raise _invalid("The bytes are not an Ed25519 public key: no point of the prime-order group.")

    @property
    def pem(self) -> str:
        """SPKI as PEM, newline-ended: the one form in which keys are stored and served."""
        return _write_pem("PUBLIC KEY", _SPKI_PREFIX + self.raw)

    @property
    def raw_base64(self) -> str:
        """The 32 bytes in padded standard base64."""
        return base64.b64encode(self.raw).decode("ascii")

    @property
    def fingerprint(self) -> str:
        """``SHA256:`` and the unpadded base64 of the SHA-256 of the 32 bytes, for people to compare."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.raw).digest()).decode("ascii").rstrip("=")

    @property
    def short_id(self) -> str:
        """The first 16 hex digits of the same SHA-256: names a key where no one decides by it."""
        return hashlib.sha256(self.raw).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, as its 32-byte seed; never shown by ``repr``."""

    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.seed) != KEY_BYTES:
            raise _unusable(f"An Ed25519 private key has {KEY_BYTES} bytes; this one has {len(self.seed)}.")

    @classmethod
    def generate(cls, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> "SigningKey":
        """A new key from a cryptographic source of randomness."""
        return cls(random_bytes(KEY_BYTES))

    @classmethod
    def from_pem(cls, text: str) -> "SigningKey":
        r"""Read unencrypted PKCS#8 PEM, as node.js and OpenSSL write it; ``\n`` may be written out.

        Raises PfnError(CONFIG_INVALID), whose sentence never repeats the text.
        """
        found = _PEM.fullmatch(_join_lines(text))
        if found is None:
            raise _unusable("The private key is not one PEM block from BEGIN to END.")
        label, body = found.groups()
        if label != "PRIVATE KEY":
            raise _unusable(f"A block of PRIVATE KEY (unencrypted PKCS#8) is needed, this is one of {label}.")
        der = _decode_base64("".join(body.split())) or b""
        if der[:-KEY_BYTES] != _PKCS8_PREFIX:
            kind = _name_algorithm(der) or "something else"
            raise _unusable(f"The private key is not an Ed25519 key in PKCS#8: it is {kind}.")
        return cls(der[-KEY_BYTES:])

    @property
    def pem(self) -> str:
        """The private key as unencrypted PKCS#8 PEM, newline-ended."""
        return _write_pem("PRIVATE KEY", _PKCS8_PREFIX + self.seed)

    @property
    def public_key(self) -> PublicKey:
        """The key that verifies what this one signs."""
        return PublicKey(bytes(SodiumSigningKey(self.seed).verify_key))

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature, the same for the same message every time."""
        return SodiumSigningKey(self.seed).sign(message).signature


def verify(key: PublicKey, message: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is ``key``'s over ``message``: the project's one verdict. Never raises."""
    if len(signature) != SIGNATURE_BYTES:
        return False
    r, s = signature[:KEY_BYTES], signature[KEY_BYTES:]
    # Asked before libsodium, so that it makes no difference which libsodium it is.
    if int.from_bytes(s, "little") >= _GROUP_ORDER or _read_ordinate(r) in _SMALL_ORDER_ORDINATES:
        return False
    # The point that libsodium finds, S times the base less a multiple of the key, is of prime order as both are, and it
    # writes it canonically. Where it wants R to be these very bytes, R is all that.
    if not _COMPARES_BYTES and not crypto_core_ed25519_is_valid_point(r):
        return False
    return _opens(key.raw, message, signature)


def _opens(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


def _read_ordinate(point: bytes) -> int:
    return int.from_bytes(point, "little") & ~_SIGN_BIT


# Whether this libsodium compares without the cofactor, as all have done so far.
_COMPARES_BYTES = not _opens(_MIXED_KEY, b"pfn", _MIXED_SIGNATURE)


def parse_signature(text: str) -> bytes | None:
    """The 64 bytes of a signature in standard base64, padded or not; None for anything else."""
    signature = _decode_base64(text)
    return signature if signature is not None and len(signature) == SIGNATURE_BYTES else None


@lru_cache(maxsize=1024)
def parse_public_key(text: str) -> PublicKey:
    r"""Read a public key in any form publishers send it (protocol.md section 2).

    SPKI PEM on one line or many, ``\n`` perhaps written out; or bare base64 of the SPKI or of the 32 bytes.
    Raises PfnError(INVALID_KEY) with a sentence that says what the text is instead, where that can be told.
    """
    if len(text) > MAX_KEY_TEXT:
        raise _invalid(f"A public key is far shorter than {len(text)} characters.")
    joined = _join_lines(text)
    if "PRIVATE KEY-----" in joined:
        raise _invalid(
            "This is a private key. Keep it secret, register the public key instead, and make a new pair "
            "if this one has been shown to anyone."
        )
    if joined.startswith("ssh-"):
        raise _invalid("This is a key for SSH. Send the Ed25519 public key as SPKI PEM.")
    body, armoured = joined, "-----" in joined
    if armoured:
        found = _PEM.fullmatch(joined)
        if found is None:
            raise _invalid("The public key is not one PEM block from BEGIN to END.")
        label, body = found.groups()
        if label != "PUBLIC KEY":
            raise _invalid(f"A block of PUBLIC KEY (SPKI) is needed, this is one of {label}.")
    der = _decode_base64("".join(body.split()))
    if der is None:
        raise _invalid("The public key is neither PEM nor standard base64.")
    if len(der) == KEY_BYTES and not armoured:
        return PublicKey(der)
    return PublicKey(_unwrap_spki(der))


def _unwrap_spki(der: bytes) -> bytes:
    if der[:-KEY_BYTES] == _SPKI_PREFIX:
        return der[-KEY_BYTES:]
    if der.startswith(_PKCS8_PREFIX):
        raise _invalid("This is a private key. Keep it secret and register the public key instead.")
    if kind := _name_algorithm(der):
        raise _invalid(f"This is {kind}; only Ed25519 is used here.")
    raise _invalid(f"The text holds {len(der)} bytes; an Ed25519 key has 44 (SPKI) or, outside PEM, 32.")


def _name_algorithm(der: bytes) -> str | None:
    """What another kind of key is called, by the object identifier near its start."""
    for identifier, name in _OTHER_ALGORITHMS.items():
        if identifier in der[:40]:
            return name
    return None


def _join_lines(text: str) -> str:
    """Undo what JSON and environment variables do to the line ends of PEM."""
    return text.replace("\\r", "").replace("\\n", "\n").strip()


def _decode_base64(text: str) -> bytes | None:
    """Standard base64 with all of its padding or none, and no stray bits: two spellings at most."""
    padded = text if text.endswith("=") else text + "=" * (-len(text) % 4)
    try:
        decoded = base64.b64decode(padded, validate=True)
    except ValueError:
        return None
    return decoded if base64.b64encode(decoded).decode("ascii") == padded else None


def _write_pem(label: str, der: bytes) -> str:
    lines = textwrap.fill(base64.b64encode(der).decode("ascii"), 64)
    return f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"


def _invalid(detail: str) -> PfnError:
    return PfnError(Code.INVALID_KEY, detail)


def _unusable(detail: str) -> PfnError:
    # A private key comes from the operator's or publisher's own settings, never over the wire.
    return PfnError(Code.CONFIG_INVALID, detail)
