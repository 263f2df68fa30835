"""Make a publisher prove that it holds its key: what the seed's sequence asks and checks, not what it writes.

``prove`` raises the first failure; the attempt it was given tells what was learned until then, step by step. What
becomes of it is ``pfn.services.verification``'s.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from pfn.domain.source import Source
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.challenge import new_challenge
from pfn.protocol.check import Check
from pfn.protocol.ed25519 import PublicKey, parse_public_key, parse_signature, verify
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.naming_scheme import asset_url
from pfn.protocol.ownership import OWNERSHIP_FEATURE, check_ownership, new_ownership_challenge, new_probe
from pfn.protocol.publisher_chain import TrustedPublisher, require_current
from pfn.protocol.publisher_v1 import FederationInfo
from pfn.services.clock import Clock
from pfn.services.key_document import KeyDocumentService

V2_FEATURE = "pfn-v2"
PROBE_EVERY_S = 30 * 86_400
ORACLE_SENTENCE = (
    "It signs any text it is sent, so whoever asks can have a forged release signed: its signatures prove little."
)


@dataclass(slots=True)
class Attempt:
    """What one run has learned so far.

    ``response_ms`` is the publisher's time for the ownership proof, ``answered_ms`` that of its last timed answer.
    """

    checks: list[Check]
    info: FederationInfo | None = None
    challenge: str | None = None
    response_ms: int | None = None
    signs_anything: bool | None = None
    answered_ms: int | None = None


class OwnershipService:
    """Asks publishers for their proofs."""

    def __init__(
        self,
        publishers: PublisherClient,
        keys: KeyDocumentService,
        clock: Clock,
        *,
        node_origin: str,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self._publishers = publishers
        self._keys = keys
        self._clock = clock
        self._node_origin = node_origin
        self._random_bytes = random_bytes

    async def prove(self, source: Source, attempt: Attempt, *, keep: bool = True) -> None:
        """Go through the sequence, noting every step in ``attempt``; key documents are kept only where they are to be.

        Raises PfnError for the first that fails: of a security fault where a proof was wrong, of a publisher's where
        it could not be had.
        """
        await self._read_info(source, attempt)
        publisher = await self._read_key_document(source, attempt, keep=keep)
        if publisher is None:
            await self._prove_v1(source, attempt)
            await self._probe_oracle(source, attempt, [parse_public_key(source.public_key)])
            return
        await self._prove_v2(source, publisher, attempt)

    async def _read_info(self, source: Source, attempt: Attempt) -> None:
        """Fetch what the instance announces. A static v2 publisher may do without."""
        try:
            timed = await self._publishers.time_info(source.instance_url)
        except PfnError as error:
            attempt.answered_ms = await self._time_key_document(source) if error.code is Code.NOT_A_PUBLISHER else None
            if attempt.answered_ms is not None:
                return
            attempt.checks.append(Check("federation_info", False, error.detail))
            raise
        attempt.info, attempt.answered_ms = timed.info, timed.elapsed_ms
        attempt.checks.append(Check("federation_info", True, "The instance answers as a plugin publisher."))

    async def _time_key_document(self, source: Source) -> int | None:
        try:
            return await self._keys.time(source)
        except PfnError:
            return None

    async def _read_key_document(self, source: Source, attempt: Attempt, *, keep: bool) -> TrustedPublisher | None:
        """Walk the chain of key documents, where the publisher has them or ever had."""
        announced = attempt.info is None or V2_FEATURE in attempt.info.features
        if not announced and source.generation == 1:
            return None
        with _check(attempt, "key_document", "Its key document leads back to the registered key."):
            publisher = await self._keys.refresh(source, keep=keep)
            if publisher is not None:
                require_current(publisher, int(self._clock()))
        if publisher is None:
            attempt.checks.pop()
            return None
        return publisher

    async def _prove_v1(self, source: Source, attempt: Attempt) -> None:
        info = attempt.info
        assert info is not None  # a source without it and without key documents was refused before
        with _check(attempt, "asset_scheme", "The addresses of its zips can be made from what it announces."):
            check_assets(source, info)
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

    async def _prove_v2(self, source: Source, publisher: TrustedPublisher, attempt: Attempt) -> None:
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

    async def _ask(self, source: Source, attempt: Attempt, challenge: str) -> str:
        with _check(attempt, "ownership_answer", "It answered the ownership challenge."):
            timed = await self._publishers.prove_ownership(source.instance_url, source.username, challenge)
            attempt.response_ms = attempt.answered_ms = timed.elapsed_ms
        return timed.proof.signature

    async def _probe_oracle(self, source: Source, attempt: Attempt, keys: list[PublicKey]) -> None:
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


class _check:  # noqa: N801  # reads as a statement
    """Note a step as held, or as failed with its reason, and let the error go on."""

    def __init__(self, attempt: Attempt, name: str, sentence: str) -> None:
        self._attempt, self._name, self._sentence = attempt, name, sentence

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._attempt.checks.append(Check(self._name, True, self._sentence))
        elif isinstance(error, PfnError):
            self._attempt.checks.append(Check(self._name, False, error.detail))


def check_assets(source: Source, info: FederationInfo) -> None:
    """Try to make a zip's address. Raises PfnError (``asset_scheme``)."""
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
