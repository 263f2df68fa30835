"""Evidence: two things of one publisher that cannot both be honest, kept as they came.

The first stays what is served; the source is gated to trust 0 until its operator has looked and decided.
"""

import hashlib
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import describe, source_event
from pfn.domain.trust import Gate
from pfn.protocol.errors import PfnError
from pfn.services.trust import refresh_trust
from pfn.storage.activity import add_activities
from pfn.storage.signed_document import Evidence, add_evidence
from pfn.storage.source import change_source, get_source


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
) -> None:
    """Keep both sides, gate the source and raise an event; the same pair again, or no such source, changes nothing."""
    source = await get_source(connection, source_id, lock=True)
    if source is None:
        return
    pair = hashlib.sha256(hashlib.sha256(first).digest() + hashlib.sha256(second).digest()).hexdigest()
    item = Evidence(
        source_id=source.id,
        kind=error.code.slug,
        details=error.detail,
        first=first,
        second=second,
        digest=pair,
        found_at=now,
        plugin_id=plugin_id,
        version=version,
    )
    if not await add_evidence(connection, item):
        return
    gates = tuple(sorted({*source.gates, Gate.EQUIVOCATION.value}))
    await change_source(connection, source.id, gates=gates)
    await refresh_trust(connection, replace(source, gates=gates), now)
    sentence = f"{source.id} contradicts itself: {error.detail} Both sides are kept; its trust is 0 until you decide."
    details = describe("conflict", sentence, code=error.code.slug)
    event = source_event(source, now, details, plugin_id=plugin_id or None, new_version=version or None)
    await add_activities(connection, [event])
