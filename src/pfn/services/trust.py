"""Trust: gather a source's stored evidence and compute its score. The score is only kept to sort by.

Signatures and re-checks count by day, ownership proofs by day, uptime by hour; what is older than an evidence class
looks back is not loaded.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.source import Source, SourceStatus
from pfn.domain.trust import (
    DAY,
    OWNERSHIP,
    SIGNATURES,
    UPTIME,
    Gate,
    Subscriber,
    Trust,
    TrustEvidence,
    compute_trust,
    count_subscribers,
)
from pfn.protocol.errors import Code, Fault
from pfn.storage.database import Database
from pfn.storage.quarantine import list_quarantined
from pfn.storage.source import change_source, get_source, list_sources
from pfn.storage.subscription import list_subscriptions
from pfn.storage.trust import (
    get_catalog_expiry,
    observe_proofs,
    observe_rechecks,
    observe_refusals,
    observe_releases,
    observe_uptime,
)
from pfn.storage.trust_day import TrustDay, put_trust_day

_SECURITY_CODES = frozenset(code.slug for code in Code if code.fault is Fault.SECURITY)


async def refresh_trust(connection: AsyncConnection, source: Source, now: float) -> Trust:
    """Compute a source's trust from what is stored and write the score down for sorting."""
    trust = await explain_trust(connection, source, now)
    await change_source(connection, source.id, trust_score=trust.score)
    return trust


async def refresh_all(database: Database, now: float) -> int:
    """Compute every source's score anew, each in a transaction of its own; tell how many there were.

    Scores fade with time alone: this is for the node's housekeeping. What is found goes down in the history too.
    """
    async with database.read() as connection:
        found = [source.id for source in await list_sources(connection)]
    for source_id in found:
        async with database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is not None:
                trust = await refresh_trust(connection, source, now)
                await put_trust_day(connection, source_id, TrustDay(int(now // DAY), trust.score, trust.earned))
    return len(found)


async def explain_trust(connection: AsyncConnection, source: Source, now: float) -> Trust:
    """Compute a source's trust with every term and gate."""
    subscriptions = await list_subscriptions(connection, source_id=source.id)
    signed = await observe_releases(connection, source.id, now - SIGNATURES.horizon)
    refused = await observe_refusals(connection, source.id, now - SIGNATURES.horizon, _SECURITY_CODES)
    evidence = TrustEvidence(
        signatures=(*signed, *refused),
        rechecks=await observe_rechecks(connection, source.id, now - SIGNATURES.horizon),
        # A proof was made or broken; a publisher that could not be reached proved nothing either way.
        ownership=await observe_proofs(connection, source.id, now - OWNERSHIP.horizon, _SECURITY_CODES),
        uptime=await observe_uptime(connection, source.id, now - UPTIME.horizon),
        custody_since=source.verified_since,
        subscribers=count_subscribers(
            (Subscriber(one.subscriber, None, float(one.created_at)) for one in subscriptions), now
        ),
        gates=await _find_gates(connection, source, now),
    )
    return compute_trust(evidence, now)


async def _find_gates(connection: AsyncConnection, source: Source, now: float) -> frozenset[Gate]:
    """Gather the gates that are known from rows."""
    expires = await get_catalog_expiry(connection, source.id)
    found = {
        Gate.OPERATOR_BLOCK: source.status is SourceStatus.SUSPENDED,
        Gate.SIGNING_ORACLE: source.signing_oracle,
        Gate.CUSTODY_COOL_DOWN: source.cool_down_until is not None and now < source.cool_down_until,
        Gate.STALE_CATALOG: expires is not None and expires <= now,
        Gate.QUARANTINED_RELEASE: bool(await list_quarantined(connection, source_id=source.id, limit=1)),
    }
    found |= dict.fromkeys((gate for gate in Gate if gate.value in source.gates), True)
    return frozenset(gate for gate, holds in found.items() if holds)


def is_failed_proof(code: str) -> bool:
    """Tell whether a recorded failure is a failed proof, not just something that did not come."""
    return code in _SECURITY_CODES
