"""Verify a source: the seed's sequence, step by step, every outcome recorded with its reason.

GET ``/federation-info``; keep its capabilities and asset info; walk the key documents where there are any; POST
``/verify-ownership`` with a fresh challenge; check the Ed25519 signature; write the verification, the status, the trust
score and the event in one transaction. No transaction is open while the publisher is asked.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.source import LIFE_CYCLE, Source, SourceStatus, status_after_failure
from pfn.domain.verification import (
    VERIFIED_BY_NODE,
    Check,
    Verification,
    VerificationResult,
    VerificationType,
)
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.challenge import new_challenge
from pfn.protocol.ed25519 import PublicKey, parse_public_key, parse_signature, verify
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.naming_scheme import asset_url
from pfn.protocol.ownership import OWNERSHIP_FEATURE, check_ownership, new_ownership_challenge, new_probe
from pfn.protocol.publisher_chain import TrustedPublisher, require_current
from pfn.protocol.publisher_v1 import FederationInfo
from pfn.protocol.source_id import normalize_instance_url
from pfn.services.clock import Clock
from pfn.services.key_document import KeyDocumentService
from pfn.services.trust import refresh_trust
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.source import change_source, get_source
from pfn.storage.verification import add_verification, list_verifications

V2_FEATURE = "pfn-v2"
PROBE_EVERY_S = 30 * 86_400
ORACLE_SENTENCE = (
    "It signs any text it is sent, so whoever asks can have a forged release signed: its signatures prove little."
)


@dataclass(frozen=True, slots=True)
class Probe:
    """What an instance says of itself, with the key it shows."""

    instance_url: str
    public_key: PublicKey | None
    features: tuple[str, ...]
    asset_domain: str
    asset_naming_scheme: str


@dataclass(slots=True)
class _Attempt:
    """What one run has learned so far."""

    checks: list[Check]
    info: FederationInfo | None = None
    challenge: str | None = None
    response_ms: int | None = None
    generation: int = 1
    signs_anything: bool | None = None


class VerificationService:
    """Runs verifications."""

    def __init__(
        self,
        database: Database,
        publishers: PublisherClient,
        keys: KeyDocumentService,
        clock: Clock,
        *,
        node_origin: str,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._database = database
        self._publishers = publishers
        self._keys = keys
        self._node_origin = node_origin
        self._clock = clock
        self._random_bytes = random_bytes

    async def verify(self, source_id: str, kind: VerificationType, actor: str) -> Verification:
        """Verify a source and give the recorded verification, failed or not.

        Raises PfnError: ``source_unknown``, ``source_suspended``. A failing publisher raises nothing: it is the
        result.
        """
        source = await require_source(self._database, source_id)
        if source.status is SourceStatus.SUSPENDED:
            raise PfnError(Code.SOURCE_SUSPENDED, f"{source_id} is suspended; resume it first.")
        attempt = _Attempt(checks=[])
        failure: PfnError | None = None
        try:
            await self._prove(source, attempt)
        except PfnError as error:
            failure = error
        return await self._record(source, kind, actor, attempt, failure)

    async def probe(self, instance_url: str) -> Probe:
        """Ask an instance that is not registered what it announces; nothing is kept, nothing is proven.

        Raises PfnError: ``invalid_url``, or what the publisher did wrong.
        """
        url = normalize_instance_url(instance_url)
        info = await self._publishers.get_info(url)
        key = parse_public_key(info.public_key) if info.public_key is not None else None
        return Probe(url, key, info.features, info.asset_info.domain, info.asset_info.naming_scheme)

    async def refetch_info(self, source_id: str, actor: str) -> Source:
        """Fetch ``/federation-info`` again and keep what it says (protocol.md section 1, update-source).

        Raises PfnError: ``source_unknown``, or what the publisher did wrong; then nothing changes.
        """
        source = await require_source(self._database, source_id)
        info = await self._publishers.get_info(source.instance_url)
        _check_assets(source, info)
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

    async def _prove(self, source: Source, attempt: _Attempt) -> None:
        await self._read_info(source, attempt)
        publisher = await self._read_key_document(source, attempt)
        if publisher is None:
            await self._prove_v1(source, attempt)
            await self._probe_oracle(source, attempt, [parse_public_key(source.public_key)])
            return
        await self._prove_v2(source, publisher, attempt)

    async def _read_info(self, source: Source, attempt: _Attempt) -> None:
        """Fetch what the instance announces. A static v2 publisher may do without."""
        try:
            attempt.info = await self._publishers.get_info(source.instance_url)
        except PfnError as error:
            if error.code is Code.NOT_A_PUBLISHER and await self._has_key_document(source):
                return
            attempt.checks.append(Check("federation_info", False, error.detail))
            raise
        attempt.checks.append(Check("federation_info", True, "The instance answers as a plugin publisher."))

    async def _has_key_document(self, source: Source) -> bool:
        try:
            return await self._keys.exists(source)
        except PfnError:
            return False

    async def _read_key_document(self, source: Source, attempt: _Attempt) -> TrustedPublisher | None:
        """Walk the chain of key documents, where the publisher has them or ever had."""
        announced = attempt.info is None or V2_FEATURE in attempt.info.features
        if not announced and source.generation == 1:
            return None
        with _check(attempt, "key_document", "Its key document leads back to the registered key."):
            publisher = await self._keys.refresh(source)
            if publisher is not None:
                require_current(publisher, int(self._clock()))
        if publisher is None:
            attempt.checks.pop()
            return None
        attempt.generation = 2
        return publisher

    async def _prove_v1(self, source: Source, attempt: _Attempt) -> None:
        info = attempt.info
        assert info is not None  # a source without it and without key documents was refused before
        with _check(attempt, "asset_scheme", "The addresses of its zips can be made from what it announces."):
            _check_assets(source, info)
        shown = _compare_shown_key(source, info)
        if shown is not None:
            attempt.checks.append(shown)
        attempt.challenge = new_challenge(self._random_bytes)
        proof = await self._ask(source, attempt, attempt.challenge)
        with _check(attempt, "ownership_signature", "The challenge is signed with the registered key."):
            signature = parse_signature(proof)
            key = parse_public_key(source.public_key)
            if signature is None or not verify(key, attempt.challenge.encode(), signature):
                raise _explain_bad_proof(shown)

    async def _prove_v2(self, source: Source, publisher: TrustedPublisher, attempt: _Attempt) -> None:
        """Ask for an ownership proof where the publisher runs a server; of a static one, the key document is it."""
        if attempt.info is None or OWNERSHIP_FEATURE not in attempt.info.features:
            sentence = f"The key document is served at {source.instance_url} itself, as a static publisher's proof."
            attempt.checks.append(Check("ownership_document", True, sentence))
            return
        challenge = new_ownership_challenge(
            node_origin=self._node_origin,
            instance_url=source.instance_url,
            username=source.username,
            now=int(self._clock()),
            random_bytes=self._random_bytes,
        )
        attempt.challenge = challenge.text
        proof = await self._ask(source, attempt, challenge.text)
        document = publisher.document
        with _check(attempt, "ownership_signature", "The challenge is signed with an ownership key of its document."):
            signature = parse_signature(proof)
            if signature is None:
                raise SecurityError(Code.OWNERSHIP_SIGNATURE, "The challenge came back without a readable signature.")
            keys = [one.key for one in document.ownership_keys]
            check_ownership(keys, challenge=challenge.text, signature=signature)
        listed = (*document.root_keys, *document.release_keys, *document.ownership_keys)
        await self._probe_oracle(source, attempt, [one.key for one in listed])

    async def _ask(self, source: Source, attempt: _Attempt, challenge: str) -> str:
        with _check(attempt, "ownership_answer", "It answered the ownership challenge."):
            timed = await self._publishers.prove_ownership(source.instance_url, source.username, challenge)
            attempt.response_ms = timed.elapsed_ms
        return timed.proof.signature

    async def _probe_oracle(self, source: Source, attempt: _Attempt, keys: list[PublicKey]) -> None:
        """Send one string nobody should sign, at registration and monthly (protocol.md section 3.5)."""
        now = self._clock()
        if source.oracle_probed_at is not None and now - source.oracle_probed_at < PROBE_EVERY_S:
            return
        probe = new_probe(self._random_bytes)
        signature = None
        try:
            timed = await self._publishers.prove_ownership(source.instance_url, source.username, probe)
            signature = parse_signature(timed.proof.signature)
        except PfnError as error:
            if error.code not in {Code.OWNERSHIP_REFUSED, Code.PUBLISHER_DOCUMENT}:
                return  # it could not be asked, so nothing is known
        attempt.signs_anything = signature is not None and any(verify(key, probe.encode(), signature) for key in keys)
        sentence = ORACLE_SENTENCE if attempt.signs_anything else "It does not sign what it should not."
        attempt.checks.append(Check("oracle_probe", not attempt.signs_anything, sentence))

    async def _record(
        self,
        source: Source,
        kind: VerificationType,
        actor: str,
        attempt: _Attempt,
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
            current = await get_source(connection, source.id, lock=True)
            if current is None:
                raise unknown_source(source.id)
            changes: dict[str, object] = {} if attempt.info is None else _describe_info(attempt.info)
            changes |= _next_status(current, failure, now)
            if attempt.signs_anything is not None:
                changes |= {"signing_oracle": attempt.signs_anything, "oracle_probed_at": now}
            await change_source(connection, source.id, **changes)
            await add_verification(connection, verification, challenge=attempt.challenge)
            await add_activities(connection, [self._verification_event(source, actor, verification)])
            after = await get_source(connection, source.id)
            if after is not None:
                await refresh_trust(connection, after, now)
            recorded = await list_verifications(connection, source.id, limit=1)
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
        return Activity(
            type=ActivityType.FEDERATION_EVENT,
            timestamp=int(self._clock()),
            actor=actor,
            source_id=source.id,
            source_username=source.username,
            details=details,
        )


class _check:  # noqa: N801  # reads as a statement
    """Note a step as held, or as failed with its reason, and let the error go on."""

    def __init__(self, attempt: _Attempt, name: str, sentence: str) -> None:
        self._attempt, self._name, self._sentence = attempt, name, sentence

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._attempt.checks.append(Check(self._name, True, self._sentence))
        elif isinstance(error, PfnError):
            self._attempt.checks.append(Check(self._name, False, error.detail))


async def require_source(database: Database, source_id: str) -> Source:
    """Find a source that was not removed. Raises PfnError (``source_unknown``)."""
    async with database.read() as connection:
        source = await get_source(connection, source_id)
    if source is None or source.status is SourceStatus.REMOVED:
        raise unknown_source(source_id)
    return source


def unknown_source(source_id: str) -> PfnError:
    """Make the error for an id that is no source's."""
    return PfnError(Code.SOURCE_UNKNOWN, f"No source has the id {source_id!r}; the list is at /federation/sources.")


def _next_status(source: Source, failure: PfnError | None, now: int) -> dict[str, object]:
    if source.status in {SourceStatus.SUSPENDED, SourceStatus.REMOVED}:
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


def _describe_info(info: FederationInfo) -> dict[str, object]:
    return {
        "asset_domain": info.asset_info.domain,
        "asset_naming_scheme": info.asset_info.naming_scheme,
        "features": info.features,
    }


def _check_assets(source: Source, info: FederationInfo) -> None:
    assets = info.asset_info
    asset_url(assets.domain, assets.naming_scheme, author=source.username, slug="example", version="1.0")


def _compare_shown_key(source: Source, info: FederationInfo) -> Check | None:
    """Compare the key a publisher shows with the registered one: a hint to the reader, the proof decides."""
    if info.public_key is None:
        return None
    registered = parse_public_key(source.public_key).fingerprint
    try:
        shown = parse_public_key(info.public_key).fingerprint
    except PfnError as error:
        return Check("shown_key", False, f"The key it shows cannot be read. {error.detail}")
    if shown == registered:
        return Check("shown_key", True, "The key it shows is the registered one.")
    return Check("shown_key", False, f"It shows the key {shown}, but {registered} is registered.")


def _explain_bad_proof(shown: Check | None) -> SecurityError:
    if shown is not None and not shown.passed:
        return SecurityError(
            Code.KEY_MISMATCH,
            f"The challenge is not signed with the registered key. {shown.detail} "
            "Ask the publisher for its right key and register that.",
        )
    return SecurityError(
        Code.OWNERSHIP_SIGNATURE,
        "The challenge came back with a signature that the registered key did not make.",
    )
