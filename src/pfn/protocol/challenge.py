"""The v1 ownership challenge: a UUID, which the publisher signs to prove its key (protocol.md section 2).

Strict on both sides: a node sends nothing else, and a publisher that signs nothing else cannot be talked into
signing a plugin. Does not answer for: the v2 challenge, time limits, single use.
"""

import re
import uuid
from collections.abc import Callable

_STRICT_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def new_challenge(random_bytes: Callable[[int], bytes]) -> str:
    """A random UUID, version 4, lower case; ``random_bytes`` must be a cryptographic source."""
    return str(uuid.UUID(bytes=random_bytes(16), version=4))


def is_strict_uuid(text: str) -> bool:
    """Whether ``text`` is exactly what ``new_challenge`` writes."""
    return _STRICT_UUID.fullmatch(text) is not None
