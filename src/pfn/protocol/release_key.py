"""Which release key signed, and whether it might (protocol.md section 3, facts b.6).

Answers for: the key's listing, its plugins, its time and its revocation. The time that counts is when the signature is
known to have existed: its time in a witnessed log, else now. A retired key's older signatures stay good for those who
come late only where something signed by a key that is valid now names the same payload; a revoked key's never do.

Does not answer for: what was signed.
"""

from datetime import UTC, datetime

from pfn.protocol.dsse import Envelope, signers
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.errors import Code, SecurityError
from pfn.protocol.publisher_chain import TrustedPublisher
from pfn.protocol.publisher_document import ReleaseKey


def find_release_signer(
    envelope: Envelope, publisher: TrustedPublisher, *, slug: str | None, at: int, endorsed: bool = False
) -> PublicKey:
    """The first release key, in the key document's order, that signed the envelope and might at ``at``.

    ``slug`` None asks for a key that is not limited to some plugins. ``endorsed`` tells that the payload is named by
    something signed with a key valid now; then ``not_after`` is no limit. Raises SecurityError:
    ``release_key_unknown``, ``signature_invalid``, ``release_key_scope``, ``release_key_revoked``,
    ``release_key_time``.
    """
    keys = publisher.document.release_keys
    claimed = {signature.key_id for signature in envelope.signatures}
    signed = signers(envelope, [listed.key for listed in keys])
    refusal: SecurityError | None = None
    for listed in keys:
        if listed.id not in claimed:
            continue
        failure = (
            _judge(listed, publisher, slug=slug, at=at, endorsed=endorsed)
            if listed.id in signed
            else SecurityError(
                Code.SIGNATURE_INVALID, f"The signature of the release key {listed.id[:16]} does not hold."
            )
        )
        if failure is None:
            return listed.key
        refusal = refusal or failure
    raise refusal or SecurityError(
        Code.RELEASE_KEY_UNKNOWN,
        f"It is signed with no release key of version {publisher.document.version} of the key document.",
    )


def release_blocked(publisher: TrustedPublisher, signer_id: str, logged_at: int) -> str | None:
    """Why what this key signed and was logged at ``logged_at`` must not be served any more, as a sentence; or None."""
    for key in publisher.document.revoked:
        if key.id == signer_id and logged_at >= key.compromised_since:
            since = datetime.fromtimestamp(key.compromised_since, UTC).strftime("%Y-%m-%d %H:%M UTC")
            return f"The release key {key.id[:16]} is revoked for all since {since}: {key.reason}"
    return None


def _judge(
    listed: ReleaseKey, publisher: TrustedPublisher, *, slug: str | None, at: int, endorsed: bool
) -> SecurityError | None:
    name = f"The release key {listed.id[:16]}"
    if listed.slugs is not None and (slug is None or slug not in listed.slugs):
        return SecurityError(Code.RELEASE_KEY_SCOPE, f"{name} is limited to other plugins.")
    if reason := release_blocked(publisher, listed.id, at):
        return SecurityError(Code.RELEASE_KEY_REVOKED, reason)
    if at < listed.not_before:
        return SecurityError(Code.RELEASE_KEY_TIME, f"{name} is valid from {listed.not_before} on, not at {at}.")
    if listed.not_after is not None and at >= listed.not_after and not endorsed:
        return SecurityError(Code.RELEASE_KEY_TIME, f"{name} was valid until {listed.not_after}, not at {at}.")
    return None
