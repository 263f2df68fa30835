"""Ownership challenges of both generations, for who asks and who signs (protocol.md section 3.5, facts b.2.2).

Answers for: the v2 challenge, six newline-ended lines in one spelling; what a publisher may sign: a strict UUID, or a
v2 challenge that names itself and is fresh, and nothing else; the probe that finds a publisher who signs anything.

None of the three can be taken for another signed message: envelopes begin ``DSSEv1 ``, artifact digests have 48 bytes.
Does not answer for: single use; the node remembers what it sent.
"""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

from pfn.protocol.challenge import is_strict_uuid
from pfn.protocol.ed25519 import PublicKey, verify
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.source_id import is_username, normalize_instance_url

OWNERSHIP_FEATURE = "ownership-v2"
MAX_AGE = 300
NONCE_BYTES = 32

_FIRST_LINE = "pfn-ownership-v2"
_CHALLENGE = re.compile(
    _FIRST_LINE + r"\n(https?://[!-~]+)\n(https?://[!-~]+)\n([!-~]+)\n([0-9a-f]{64})\n(0|[1-9][0-9]{0,11})\n"
)
_PROBE_WORD = "pfn-oracle-probe"
_PROBE = re.compile(_PROBE_WORD + r" [0-9a-f]{64}")
_ORIGIN_SLASHES = 2


class ChallengeKind(StrEnum):
    """What a publisher may sign."""

    UUID = "v1-uuid"
    V2 = "v2"


@dataclass(frozen=True, slots=True)
class OwnershipChallenge:
    """The v2 challenge: who asks whom, 32 random bytes in hex, and when in Unix seconds."""

    node_origin: str
    instance_url: str
    username: str
    nonce: str
    issued_at: int

    @property
    def text(self) -> str:
        """The exact text that is sent and, in UTF-8, signed."""
        lines = (_FIRST_LINE, self.node_origin, self.instance_url, self.username, self.nonce, str(self.issued_at))
        return "".join(f"{line}\n" for line in lines)


def new_ownership_challenge(
    *, node_origin: str, instance_url: str, username: str, now: int, random_bytes: Callable[[int], bytes]
) -> OwnershipChallenge:
    """A fresh v2 challenge. The URLs come normalized; ``random_bytes`` must be a cryptographic source."""
    return OwnershipChallenge(node_origin, instance_url, username, random_bytes(NONCE_BYTES).hex(), now)


def parse_ownership_challenge(text: str) -> OwnershipChallenge | None:
    """Read a v2 challenge; None for what is not exactly one."""
    found = _CHALLENGE.fullmatch(text)
    if found is None:
        return None
    challenge = OwnershipChallenge(found[1], found[2], found[3], found[4], int(found[5]))
    if not is_username(challenge.username):
        return None
    try:
        spelled = all(normalize_instance_url(url) == url for url in (challenge.node_origin, challenge.instance_url))
    except PfnError:
        return None
    return challenge if spelled and challenge.node_origin.count("/") == _ORIGIN_SLASHES else None


def judge_challenge(text: str, *, instance_urls: Collection[str], username: str, now: int) -> ChallengeKind:
    """What a publisher is asked to sign, where it may. Raises SecurityError (``ownership_challenge``) with the reason.

    ``instance_urls`` are the publisher's own, normalized.
    """
    if is_strict_uuid(text):
        return ChallengeKind.UUID
    challenge = parse_ownership_challenge(text)
    if challenge is None:
        raise _refused("Only a lower-case version 4 UUID or an ownership-v2 challenge is signed, and nothing else.")
    if challenge.instance_url not in instance_urls:
        raise _refused("The challenge names another publisher's URL.")
    if challenge.username != username:
        raise _refused("The challenge names another username.")
    if abs(now - challenge.issued_at) > MAX_AGE:
        raise _refused(f"The challenge is not of the last {MAX_AGE} seconds by this clock.")
    return ChallengeKind.V2


def check_ownership(keys: Iterable[PublicKey], *, challenge: str, signature: bytes) -> PublicKey:
    """The one of ``keys`` that signed the challenge. Raises SecurityError (``ownership_signature``)."""
    message = challenge.encode()
    for key in keys:
        if verify(key, message, signature):
            return key
    raise SecurityError(Code.OWNERSHIP_SIGNATURE, "None of the publisher's ownership keys signed the challenge.")


def new_probe(random_bytes: Callable[[int], bytes]) -> str:
    """A challenge that is neither kind; whoever signs it signs anything."""
    return f"{_PROBE_WORD} {random_bytes(NONCE_BYTES).hex()}"


def is_probe(text: str) -> bool:
    """Whether ``text`` is exactly what ``new_probe`` writes."""
    return _PROBE.fullmatch(text) is not None


def _refused(detail: str) -> SecurityError:
    return SecurityError(Code.OWNERSHIP_CHALLENGE, detail)
