"""API keys as text: how one is made, recognised, hashed and kept out of logs (facts: keys and sessions).

``fadmin_``, 12 characters of public id, ``_``, 43 of secret (256 bits), 6 of checksum: all base62, so that a
double-click selects the whole. By the checksum (CRC-32 of all before it) a typing error is refused before any
look-up; it proves nothing.

Does not answer for: scopes, expiry, look-up, or comparing in constant time; the services do.
"""

import hashlib
import re
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

ID_LENGTH = 12
SECRET_LENGTH = 43
CHECKSUM_LENGTH = 6

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase


class Prefix(StrEnum):
    """What a key is for, readable by people and by leak scanners."""

    ADMIN = "fadmin_"
    SUBSCRIBER = "fsub_"
    MASTER = "fmaster_"


_ANY_PREFIX = "|".join(Prefix)
_TOKEN = re.compile(
    f"({_ANY_PREFIX})([0-9A-Za-z]{{{ID_LENGTH}}})_([0-9A-Za-z]{{{SECRET_LENGTH}}})[0-9A-Za-z]{{{CHECKSUM_LENGTH}}}"
)
# Wider than a token: cut short, glued to other text or made by the prototype, it still is a secret.
_TOKEN_SHAPED = re.compile(f"({_ANY_PREFIX})(?:([0-9A-Za-z]{{{ID_LENGTH}}}_)[0-9A-Za-z_-]+|[0-9A-Za-z_-]{{16,}})")


@dataclass(frozen=True, slots=True)
class Token:
    """One API key; ``id`` may be shown and stored, ``secret`` and ``text`` never (nor does ``repr``)."""

    prefix: Prefix
    id: str
    secret: str = field(repr=False)
    text: str = field(repr=False)


def generate_token(prefix: Prefix, random_bytes: Callable[[int], bytes]) -> Token:
    """A new key; ``random_bytes`` must be a cryptographic source, such as ``secrets.token_bytes``."""
    token_id = _draw(ID_LENGTH, random_bytes)
    secret = _draw(SECRET_LENGTH, random_bytes)
    body = f"{prefix}{token_id}_{secret}"
    return Token(prefix, token_id, secret, body + _checksum(body))


def parse_token(text: str) -> Token | None:
    """The key that ``text`` is, or None where its shape or its checksum is wrong."""
    found = _TOKEN.fullmatch(text)
    if found is None or _checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    prefix, token_id, secret = found.groups()
    return Token(Prefix(prefix), token_id, secret, text)


def hash_secret(token: Token) -> str:
    """What is stored: SHA-256 of the whole text, in hex. 256 random bits need no slow hash."""
    return hashlib.sha256(token.text.encode("ascii")).hexdigest()


def redact(text: str) -> str:
    """``text`` with the secret of everything token-shaped masked; prefix and public id stay to know it by."""
    return _TOKEN_SHAPED.sub(r"\1\2***", text)


def _draw(length: int, random_bytes: Callable[[int], bytes]) -> str:
    # A byte a character is two bits more than needed each, so that the remainder's bias does not matter.
    return _write_base62(int.from_bytes(random_bytes(length)) % 62**length, length)


def _checksum(body: str) -> str:
    return _write_base62(zlib.crc32(body.encode("ascii")), CHECKSUM_LENGTH)


def _write_base62(number: int, length: int) -> str:
    characters = []
    for _ in range(length):
        number, remainder = divmod(number, 62)
        characters.append(_BASE62[remainder])
    return "".join(reversed(characters))
