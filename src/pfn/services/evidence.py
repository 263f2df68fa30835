"""Evidence: two things of one publisher that cannot both be honest, kept as they came.

The first stays what is served; the source is gated to trust 0 until its operator has looked and decided. Other bytes
that a peer has for a version of a v1 source prove nothing against the publisher, for its signatures cover none: they
cap its trust, and are no entry of the log.

Who contradicts itself can do so without end: while the gate is on, some pairs are kept, and more say nothing new.

Peers hear of it at once: their work is due, and what is new is sent to each of them once (``evidence_exchange``).
"""

import hashlib
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import describe, source_event
from pfn.domain.schedule import Work
from pfn.domain.trust import Gate
from pfn.protocol.catalog import MAX_CATALOG_BYTES
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code, PfnError
from pfn.services.leaf import append_unless_halted, evidence_leaf
from pfn.services.trust import refresh_trust
from pfn.storage.activity import add_activities
from pfn.storage.schedule import hasten
from pfn.storage.signed_document import Evidence, add_evidence, count_evidence
from pfn.storage.source import change_source, get_source

# Of a source that is gated by them.
MOST_PAIRS = 20


async def record_evidence(
    connection: AsyncConnection,
    source_id: str,
    error: PfnError,
    first: bytes,
    second: bytes,
    *,
    now: int,
    plugin_id: str = "",
    version: str = "",
) -> bool:
    """Keep both sides, gate the source and raise an event; tell whether that was new.

    The same pair again, or no such source, changes nothing; nor does one of many against a source that is gated.
    """
    source = await get_source(connection, source_id, lock=True)
    if source is None:
        return False
    gate = Gate.FIRST_SEEN_CONFLICT if error.code is Code.FIRST_SEEN_CONFLICT else Gate.EQUIVOCATION
    if gate.value in source.gates and await count_evidence(connection, source_id) >= MOST_PAIRS:
        return False
    item = Evidence(
        source_id=source.id,
        kind=error.code.slug,
        details=error.detail,
        first=first,
        second=second,
        digest=name_pair(first, second),
        found_at=now,
        plugin_id=plugin_id,
        version=version,
    )
    if not await add_evidence(connection, item):
        return False
    gates = tuple(sorted({*source.gates, gate.value}))
    await change_source(connection, source.id, gates=gates)
    await refresh_trust(connection, replace(source, gates=gates), now)
    said = "contradicts itself" if gate is Gate.EQUIVOCATION else "is in dispute"
    kept = f"Both sides are kept; its trust is {gate.cap:g} at most until you decide."
    sentence = f"{source.id} {said}: {error.detail} {kept}"
    details = describe("conflict", sentence, code=error.code.slug)
    event = source_event(source, now, details, plugin_id=plugin_id or None, new_version=version or None)
    if gate is Gate.EQUIVOCATION:
        leaf = evidence_leaf(error.code.slug, source.id, first, second, now, slug=plugin_id, version=version)
        await append_unless_halted(connection, [leaf], now)
        await hasten(connection, Work.PEER, now)
    await add_activities(connection, [event])
    return True


def name_pair(first: bytes, second: bytes) -> str:
    """Name two sides in whichever order; of a signed document its payload counts, for anybody can add signatures."""
    return hashlib.sha256(b"".join(sorted((_digest(first), _digest(second))))).hexdigest()


def _digest(side: bytes) -> bytes:
    try:
        return bytes.fromhex(parse_envelope(side, max_bytes=MAX_CATALOG_BYTES).payload_hash)
    except PfnError:
        return hashlib.sha256(side).digest()
