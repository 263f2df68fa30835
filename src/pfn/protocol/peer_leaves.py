"""A log's leaves as a peer keeps them, for the log's own node that lost them: ``GET /federation/peer-leaves``.

Answers for: the answer's JSON, both ends: ``origin``, ``start``, the ``leaves`` from there on in base64, the ``size``
up to which the peer keeps them, and the ``note`` of the newest checkpoint it has verified, or null.

Does not answer for: whether the leaves are those of the log. Whoever asked holds them against a tree its own key
signed.
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry_bundle import MAX_ENTRY_BYTES
from pfn.protocol.strict_json import parse_json

MAX_LEAVES = 256
# A page ends before the leaf that would make it larger than this, unless that is its first.
MAX_PAGE_BYTES = 4 * 1024 * 1024
MAX_ANSWER_BYTES = 2 * (MAX_PAGE_BYTES + MAX_ENTRY_BYTES)


@dataclass(frozen=True, slots=True)
class KeptLeaves:
    """Leaves from ``start`` on, how many are kept in all, and the newest note, empty where there is none."""

    origin: str
    start: int
    leaves: tuple[bytes, ...]
    size: int
    note: bytes = b""


def cut_page(leaves: Sequence[bytes]) -> tuple[bytes, ...]:
    """Give as many leaves from the first on as one answer holds."""
    page: list[bytes] = []
    size = 0
    for leaf in leaves[:MAX_LEAVES]:
        size += len(leaf)
        if page and size > MAX_PAGE_BYTES:
            break
        page.append(leaf)
    return tuple(page)


def write_kept_leaves(kept: KeptLeaves) -> bytes:
    """The answer's body."""
    members = {
        "origin": kept.origin,
        "start": kept.start,
        "size": kept.size,
        "leaves": [base64.b64encode(leaf).decode("ascii") for leaf in kept.leaves],
        "note": kept.note.decode() or None,
    }
    return json.dumps(members).encode()


def read_kept_leaves(body: bytes) -> KeptLeaves:
    """Read an answer. Raises PfnError (``peer_answer``)."""
    match parse_json(body, max_bytes=MAX_ANSWER_BYTES, code=Code.PEER_ANSWER):
        case {
            "origin": str(origin),
            "start": int(start),
            "size": int(size),
            "leaves": list(leaves),
            "note": (str() | None) as note,
        } if len(leaves) <= MAX_LEAVES and min(start, size) >= 0:
            return KeptLeaves(origin, start, tuple(map(_decode, leaves)), size, (note or "").encode())
    raise _wrong()


def _decode(text: object) -> bytes:
    if not isinstance(text, str):
        raise _wrong()
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _wrong() from error


def _wrong() -> PfnError:
    return PfnError(Code.PEER_ANSWER, "The peer's /federation/peer-leaves is not what it should be.")
