"""Trust: gather a source's stored evidence and compute its score. The score is only kept to sort by."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import SignatureLevel
from pfn.domain.source import Source, SourceStatus
from pfn.domain.trust import (
    Gate,
    Observation,
    Subscriber,
    Trust,
    TrustEvidence,
    compute_trust,
    count_subscribers,
    grade_response,
)
from pfn.domain.verification import Verification, VerificationResult, VerificationType
from pfn.protocol.errors import Code, Fault
from pfn.storage.quarantine import list_quarantined
from pfn.storage.release import count_mirrored
from pfn.storage.signed_document import get_catalog
from pfn.storage.source import change_source
from pfn.storage.subscription import list_subscriptions
from pfn.storage.sync import list_failures
from pfn.storage.verification import list_verifications

_VERIFICATIONS_THAT_WEIGH = 2_000
_SECURITY_CODES = frozenset(code.slug for code in Code if code.fault is Fault.SECURITY)


async def refresh_trust(connection: AsyncConnection, source: Source, now: float) -> Trust:
    """Compute a source's trust from what is stored and write the score down for sorting."""
    trust = await explain_trust(connection, source, now)
    await change_source(connection, source.id, trust_score=trust.score)
    return trust


async def explain_trust(connection: AsyncConnection, source: Source, now: float) -> Trust:
    """Compute a source's trust with every term and gate."""
    verifications = await list_verifications(connection, source.id, limit=_VERIFICATIONS_THAT_WEIGH)
    subscriptions = await list_subscriptions(connection, source_id=source.id)
    signed = [
        Observation(float(when), 1.0)
        for when, level in await count_mirrored(connection, source.id)
        if level != SignatureLevel.NONE
    ]
    failed = [
        Observation(float(failure.last_failed), 0.0)
        for failure in await list_failures(connection, source.id)
        if is_failed_proof(failure.code)
    ]
    evidence = TrustEvidence(
        signatures=(*signed, *failed),
        ownership=tuple(_ownership(one) for one in verifications if _is_proof(one)),
        uptime=tuple(_uptime(one) for one in verifications),
        custody_since=source.verified_since,
        subscribers=count_subscribers(
            (Subscriber(one.subscriber, None, float(one.created_at)) for one in subscriptions), now
        ),
        gates=await _find_gates(connection, source, now),
    )
    return compute_trust(evidence, now)


async def _find_gates(connection: AsyncConnection, source: Source, now: float) -> frozenset[Gate]:
    """Gather the gates that are known from rows."""
    catalog = await get_catalog(connection, source.id)
    found = {
        Gate.OPERATOR_BLOCK: source.status is SourceStatus.SUSPENDED,
        Gate.SIGNING_ORACLE: source.signing_oracle,
        Gate.CUSTODY_COOL_DOWN: source.cool_down_until is not None and now < source.cool_down_until,
        Gate.STALE_CATALOG: catalog is not None and catalog.expires <= now,
        Gate.QUARANTINED_RELEASE: bool(await list_quarantined(connection, source_id=source.id, limit=1)),
    }
    found |= dict.fromkeys((gate for gate in Gate if gate.value in source.gates), True)
    return frozenset(gate for gate, holds in found.items() if holds)


def is_failed_proof(code: str) -> bool:
    """Tell whether a recorded failure is a failed proof, not just something that did not come."""
    return code in _SECURITY_CODES


def _is_proof(verification: Verification) -> bool:
    """A proof was made or broken; a publisher that could not be reached proved nothing either way."""
    return verification.result is VerificationResult.SUCCESS or verification.code in _SECURITY_CODES


def _ownership(verification: Verification) -> Observation:
    held = verification.result is VerificationResult.SUCCESS
    return Observation(float(verification.verified_at), float(held), _is_triggered(verification))


def _uptime(verification: Verification) -> Observation:
    grade = grade_response(verification.response_ms is not None, verification.response_ms or 0)
    return Observation(float(verification.verified_at), grade, _is_triggered(verification))


def _is_triggered(verification: Verification) -> bool:
    return verification.verification_type is VerificationType.MANUAL
