"""Disputes: a peer has other bytes for a version than this node, and no signature says whose are right.

A v1 signature covers no bytes. Both sides are kept as far as they are known, the first bytes stay, and the operator
decides; it is no evidence that others could check, so it is not sent to them.
"""

import json

from pfn.domain.peer import Peer
from pfn.domain.release import KeptSignature
from pfn.domain.source import Source
from pfn.protocol.errors import Code, SecurityError
from pfn.services.evidence import record_evidence
from pfn.services.peer_offer import Proven
from pfn.storage.database import Database
from pfn.storage.release import get_release


async def record_dispute(database: Database, peer: Peer, source: Source, proven: Proven, now: int) -> None:
    """Keep what there is of both sides, and cap the source's trust until its operator has decided."""
    want = proven.want
    async with database.write() as connection:
        known = await get_release(connection, source.id, want.plugin_id, want.version)
        if known is None:
            return
        error = SecurityError(
            Code.FIRST_SEEN_CONFLICT,
            f"{peer.url} has other bytes (SHA-256 {want.sha256}) for {want.plugin_id} {want.version} than this node "
            f"({known.blob.sha256}). The first bytes stay.",
        )
        first = _write_side(known.blob.sha256, known.signature, f"by this node at {known.mirror_date}")
        second = _write_side(want.sha256, proven.signature, f"as entry {want.idx} of the log {peer.origin}")
        await record_evidence(
            connection, source.id, error, first, second, now=now, plugin_id=want.plugin_id, version=want.version
        )


def _write_side(sha256: str, signature: KeptSignature | None, seen: str) -> bytes:
    side = {
        "sha256": sha256,
        "first_seen": seen,
        "signature": signature and signature.signature,
        "signed_message": signature and signature.message.decode("utf-8", "backslashreplace"),
    }
    return json.dumps(side, ensure_ascii=False, indent=1).encode() + b"\n"
