"""What the lines of C2SP's text formats are made of: decimal numbers and base64, each in its one spelling.

Answers for: that no two texts mean the same, so what was read can be written again byte for byte. Does not answer for:
what a line means.
"""

import base64
import re

from pfn.protocol.errors import Code, PfnError

HASH_BYTES = 32
# What every language's signed integers hold; a tree of this size has proofs of at most 63 hashes.
LARGEST_SIZE = 2**63 - 1
MAX_PROOF = 63

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


def malformed(detail: str) -> PfnError:
    """The error of everything in this package that cannot be read."""
    return PfnError(Code.LOG_MALFORMED, detail)


def read_text(data: bytes, *, max_bytes: int, name: str) -> str:
    """UTF-8 without control characters but newlines, not longer than ``max_bytes``, ending in a newline."""
    if len(data) > max_bytes:
        raise malformed(f"{name} has {len(data)} bytes; at most {max_bytes} are read.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise malformed(f"{name} is not UTF-8: the byte at offset {error.start} does not fit.") from error
    if _CONTROL.search(text):
        raise malformed(f"{name} has a control character in it.")
    if not text.endswith("\n"):
        raise malformed(f"{name} does not end in a newline.")
    return text


def read_number(text: str, name: str) -> int:
    """A decimal number without leading zeros, at most ``LARGEST_SIZE``."""
    if _NUMBER.fullmatch(text) is None or int(text) > LARGEST_SIZE:
        raise malformed(f"{name} is not a decimal number below 2^63 without leading zeros.")
    return int(text)


def read_base64(text: str, name: str) -> bytes:
    """Standard base64 with padding and no stray bits."""
    try:
        decoded = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise malformed(f"{name} is not base64.") from error
    if write_base64(decoded) != text:
        raise malformed(f"{name} is not padded standard base64.")
    return decoded


def read_hash(text: str, name: str) -> bytes:
    """The 32 bytes of a SHA-256 in base64."""
    decoded = read_base64(text, name)
    if len(decoded) != HASH_BYTES:
        raise malformed(f"{name} is not a hash of {HASH_BYTES} bytes.")
    return decoded


def read_proof(lines: list[str], name: str) -> tuple[bytes, ...]:
    """Hashes, one a line, at most 63."""
    if len(lines) > MAX_PROOF:
        raise malformed(f"{name} has {len(lines)} hashes; no tree needs more than {MAX_PROOF}.")
    return tuple(read_hash(line, f"A hash of {name}") for line in lines)


def write_base64(data: bytes) -> str:
    """Standard base64 with padding."""
    return base64.b64encode(data).decode("ascii")
