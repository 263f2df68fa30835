"""Verify a source: the seed's sequence, step by step, every outcome recorded with its reason.

GET ``/federation-info``; keep its capabilities and asset info; walk the key documents where there are any; POST
``/verify-ownership`` with a fresh challenge; check the Ed25519 signature; write the verification, the status, the trust
score, what follows for the schedule and the event in one transaction. No transaction is open while the publisher is
asked.

Whoever verifies holds the lease of it, so that a source is asked by one at a time: the worker when it is due, a person
at any time. What a person asks for plans nothing: the next regular time stays.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from pfn.domain.activity import Activity, ActivityType, describe, source_event
from pfn.domain.health import Probe as HealthProbe
from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.source import LIFE_CYCLE, Source, SourceStatus, status_after_failure
from pfn.domain.verification import (
    VERIFIED_BY_NODE,
    Verification,
    VerificationResult,
    VerificationType,
)
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.check import Check
from pfn.protocol.ed25519 import PublicKey, parse_public_key
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.protocol.publisher_v1 import FederationInfo
from pfn.protocol.source_id import normalize_instance_url
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.leaf import append_unless_halted, verification_leaf
from pfn.services.lease import Lease, LeaseService
from pfn.services.observation import record_probe
from pfn.services.ownership import Attempt, OwnershipService, check_assets
from pfn.services.schedule import ScheduleService, host_of
from pfn.services.trust import refresh_trust
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.source import change_source, get_source
from pfn.storage.verification import add_verification, list_verifications
from pfn.tracing import span


@dataclass(frozen=True, slots=True)
class Probe:
    """What an instance says of itself, with the key it shows."""

    instance_url: str
    public_key: PublicKey | None
    features: tuple[str, ...]
    asset_domain: str
    asset_naming_scheme: str


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A verification that was tried and not kept: what was checked, and why it would fail, where it would.

    ``response_ms`` is the publisher's time for the proof.
    """

    checks: Sequence[Check]
    failure: PfnError | None
    response_ms: int | None


class VerificationService:
    """Runs verifications."""

    def __init__(
        self,
        database: Database,
        publishers: PublisherClient,
        ownership: OwnershipService,
        leases: LeaseService,
        schedule: ScheduleService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._publishers = publishers
        self._ownership = ownership
        self._leases = leases
        self._schedule = schedule
        self._clock = clock

    async def verify(self, source_id: str, kind: VerificationType, actor: str) -> Verification:
        """Verify a source and give the recorded verification, failed or not.

        Raises PfnError: ``source_unknown``, ``source_suspended``. A failing publisher raises nothing: it is the
        result.
        """
        source = await require_source(self._database, source_id)
        if source.status is SourceStatus.SUSPENDED:
            raise PfnError(Code.SOURCE_SUSPENDED, f"{source_id} is suspended; resume it first.")
        lease = await self._leases.wait_for(Work.VERIFY, source_id, host=host_of(source))
        async with self._hold(lease):
            source = await require_source(self._database, source_id)
            verification, outcome = await self._verify(source, kind, actor)
        if kind is VerificationType.MANUAL:
            await self._leases.end(lease)
        else:
            await self._schedule.finish(lease, outcome)
        return verification

    async def verify_now_if_due(self, source_id: str) -> Verification | None:
        """Do the verification that is due now without waiting for a worker; None where it is not due or under way.

        Raises PfnError (``source_unknown``).
        """
        source = await require_source(self._database, source_id)
        lease = await self._leases.claim(Work.VERIFY, source_id, host=host_of(source))
        if lease is None:
            return None
        if lease.due.due_at > self._clock():
            await self._leases.end(lease)
            return None
        async with self._hold(lease):
            verification, outcome = await self._verify_due(source_id)
        await self._schedule.finish(lease, outcome)
        return verification

    async def run_due(self, source_id: str) -> Outcome:
        """Do the verification that is due, for who holds its lease: ``initial`` until one succeeded, then ``periodic``.

        A false proof is not asked for again before its regular time; who cannot be reached is, soon.
        """
        _, outcome = await self._verify_due(source_id)
        return outcome

    async def _verify_due(self, source_id: str) -> tuple[Verification | None, Outcome]:
        async with self._database.read() as connection:
            source = await get_source(connection, source_id)
        if source is None or not source.serves:
            return None, Outcome(Result.UNCHANGED, detail="not verified")
        kind = VerificationType.INITIAL if source.verified_since is None else VerificationType.PERIODIC
        try:
            return await self._verify(source, kind, VERIFIED_BY_NODE)
        except PfnError as error:
            if error.code is not Code.WRONG_STATE:
                raise
            # It was given another key while the former one was asked for: that one is to be proven.
            return await self._verify_due(source_id)

    async def _verify(self, source: Source, kind: VerificationType, actor: str) -> tuple[Verification, Outcome]:
        attempt = Attempt(checks=[])
        failure: PfnError | None = None
        try:
            with span("verify", {"pfn.source": source.id}):
                await self._ownership.prove(source, attempt)
        except PfnError as error:
            failure = error
        return await self._record(source, kind, actor, attempt, failure), _outcome(failure)

    @asynccontextmanager
    async def _hold(self, lease: Lease) -> AsyncIterator[None]:
        """Keep a lease; where the block does not come to its end, give the row back as it was."""
        try:
            async with self._leases.keep(lease):
                yield
        except BaseException:
            await self._leases.end(lease)
            raise

    async def probe(self, instance_url: str) -> Probe:
        """Ask an instance that is not registered what it announces; nothing is kept, nothing is proven.

        Raises PfnError: ``invalid_url``, or what the publisher did wrong.
        """
        url = normalize_instance_url(instance_url)
        info = await self._publishers.get_info(url)
        key = parse_public_key(info.public_key) if info.public_key is not None else None
        return Probe(url, key, info.features, info.asset_info.domain, info.asset_info.naming_scheme)

    async def rehearse(self, source: Source) -> Rehearsal:
        """Verify what is not registered yet as a source would be, and keep nothing; who fails is told, not raised."""
        attempt = Attempt(checks=[])
        failure: PfnError | None = None
        try:
            await self._ownership.prove(source, attempt, keep=False)
        except PfnError as error:
            failure = error
        return Rehearsal(tuple(attempt.checks), failure, attempt.response_ms)

    async def refetch_info(self, source_id: str, actor: str) -> Source:
        """Fetch ``/federation-info`` again and keep what it says (protocol.md section 1, update-source).

        Raises PfnError: ``source_unknown``, or what the publisher did wrong; then nothing changes.
        """
        source = await require_source(self._database, source_id)
        info = await self._publishers.get_info(source.instance_url)
        check_assets(source, info)
        async with self._database.write() as connection:
            before = await get_source(connection, source_id, lock=True)
            await change_source(connection, source_id, **_describe_info(info))
            after = await get_source(connection, source_id)
            if after is None or before is None:
                raise unknown_source(source_id)
            if after != before:
                sentence = f"{source_id} changed what it announces."
                details = describe(
                    "source_updated",
                    sentence,
                    asset_domain=after.asset_domain,
                    asset_naming_scheme=after.asset_naming_scheme,
                    features=list(after.features),
                )
                await add_activities(connection, [self._event(after, actor, details)])
        return after

    async def _record(
        self,
        source: Source,
        kind: VerificationType,
        actor: str,
        attempt: Attempt,
        failure: PfnError | None,
    ) -> Verification:
        now = int(self._clock())
        verification = Verification(
            id=0,
            source_id=source.id,
            verifier=actor if kind is VerificationType.MANUAL else VERIFIED_BY_NODE,
            verification_type=kind,
            result=VerificationResult.FAILURE if failure else VerificationResult.SUCCESS,
            details=failure.detail if failure else "The publisher proved that it holds the registered key.",
            verified_at=now,
            code=failure.code.slug if failure else None,
            response_ms=attempt.response_ms,
            checks=tuple(attempt.checks),
        )
        async with self._database.write() as connection:
            # The source may have been suspended or removed while its publisher was asked: its row decides.
            current = await hold_custody(connection, source)
            changes: dict[str, object] = {} if attempt.info is None else _describe_info(attempt.info)
            changes |= _next_status(current, failure, now)
            if attempt.signs_anything is not None:
                changes |= {"signing_oracle": attempt.signs_anything, "oracle_probed_at": now}
            before = await list_verifications(connection, source.id, limit=1)
            await change_source(connection, source.id, **changes)
            await add_verification(connection, verification, challenge=attempt.challenge)
            probe = _as_probe(attempt, failure, kind)
            events = [] if probe is None else await record_probe(connection, current, probe, now)
            if _is_news(before[0] if before else None, verification):
                events.append(self._verification_event(source, actor, verification))
            after = await get_source(connection, source.id)
            assert after is not None  # its row is held
            await refresh_trust(connection, after, now)
            if after.status is not current.status:
                await self._schedule.follow(connection, after)
            recorded = await list_verifications(connection, source.id, limit=1)
            if not before or after.status is not current.status:
                leaf = verification_leaf(after, attempt.challenge, verification.code, now)
                await append_unless_halted(connection, [leaf], now)
            await add_activities(connection, events)
        return recorded[0]

    def _verification_event(self, source: Source, actor: str, verification: Verification) -> Activity:
        held = verification.result is VerificationResult.SUCCESS
        sentence = (
            f"{source.id} proved that it holds its key."
            if held
            else f"The verification of {source.id} failed: {verification.details}"
        )
        details = describe(
            "verification_succeeded" if held else "verification_failed",
            sentence,
            code=verification.code,
            verification_type=verification.verification_type.value,
        )
        return replace(self._event(source, actor, details), type=ActivityType.SOURCE_VERIFICATION)

    def _event(self, source: Source, actor: str, details: dict[str, object]) -> Activity:
        return source_event(source, int(self._clock()), details, actor=actor)


async def require_source(database: Database, source_id: str) -> Source:
    """Find a source that was not removed. Raises PfnError (``source_unknown``)."""
    async with database.read() as connection:
        return require_known(source_id, await get_source(connection, source_id))


def require_known(source_id: str, source: Source | None) -> Source:
    """Give a source back that was found and not removed. Raises PfnError (``source_unknown``)."""
    if source is None or source.status is SourceStatus.REMOVED:
        raise unknown_source(source_id)
    return source


def unknown_source(source_id: str) -> PfnError:
    """Make the error for an id that is no source's."""
    return PfnError(Code.SOURCE_UNKNOWN, f"No source has the id {source_id!r}; the list is at /federation/sources.")


def _next_status(source: Source, failure: PfnError | None, now: int) -> dict[str, object]:
    if not source.serves:
        return {}
    if failure is not None:
        status = status_after_failure(source.status, failure.code.fault)
        return {"status": status.value, "status_code": failure.code.slug, "status_detail": failure.detail}
    status = SourceStatus(LIFE_CYCLE.next(source.status, "verification succeeded"))
    return {
        "status": status.value,
        "status_code": None,
        "status_detail": None,
        "verified_since": source.verified_since or now,
    }


def _outcome(failure: PfnError | None) -> Outcome:
    if failure is None:
        return Outcome(Result.UNCHANGED, detail="verified")
    if failure.code.fault is Fault.SECURITY:
        return Outcome(Result.UNCHANGED, detail=failure.code.slug)
    return Outcome(Result.FAILED, failure.retry_after, failure.code.slug)


def _is_news(before: Verification | None, verification: Verification) -> bool:
    """Tell whether the feed is to hear of it: a regular one that ended like the one before is none."""
    if before is None or verification.verification_type is not VerificationType.PERIODIC:
        return True
    return (before.result, before.code) != (verification.result, verification.code)


def _as_probe(attempt: Attempt, failure: PfnError | None, kind: VerificationType) -> HealthProbe | None:
    """Tell what a verification says of the source's health; None where it says nothing.

    Whoever gave a false proof answered.
    """
    triggered = kind is VerificationType.MANUAL
    if failure is not None and failure.code.fault is Fault.PUBLISHER:
        return HealthProbe(None, failure.code.slug, failure.detail, triggered)
    return None if attempt.answered_ms is None else HealthProbe(attempt.answered_ms, triggered=triggered)


def _describe_info(info: FederationInfo) -> dict[str, object]:
    return {
        "asset_domain": info.asset_info.domain,
        "asset_naming_scheme": info.asset_info.naming_scheme,
        "features": info.features,
    }
