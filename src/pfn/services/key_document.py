"""Key documents: fetch what is new, walk the chain from the registered key, keep every step (protocol.md section 3.1).

A source that once showed signed documents never goes back: without them it is a downgrade, and refused. Two documents
of one version are evidence against the publisher. New revocations block what the revoked key signed since.
"""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.release import Release
from pfn.domain.source import Source
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.dsse import Envelope, key_id, parse_envelope
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.entry import AnyLeaf
from pfn.protocol.publisher_chain import TrustedPublisher, advance_trust, begin_trust, restore_trust
from pfn.protocol.publisher_document import PublisherDocument
from pfn.protocol.release_key import release_blocked
from pfn.services.clock import Clock
from pfn.services.custody import hold_custody
from pfn.services.evidence import record_evidence
from pfn.services.leaf import append_unless_halted, publisher_leaf, revocation_leaf
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.release import list_signed_releases, mark_releases, refresh_newest
from pfn.storage.signed_document import add_key_document, get_newest_key_document, list_key_documents
from pfn.storage.source import change_source

LONGEST_CHAIN = 1_000
_MOST_NAMED = 10
SALE_COOL_DOWN_S = 72 * 3600


class KeyDocumentService:
    """Knows which keys speak for a source now."""

    def __init__(self, database: Database, documents: SignedDocumentClient, clock: Clock) -> None:
        self._database = database
        self._documents = documents
        self._clock = clock

    async def refresh(self, source: Source, *, keep: bool = True) -> TrustedPublisher | None:
        """Fetch the newest key document and give the state it leads to; None where the source has never had one.

        Unless it is to ``keep``, nothing is written down, whatever is found.
        Raises SecurityError: ``downgrade``, and what ``begin_trust`` and ``advance_trust`` raise; PfnError where the
        publisher cannot be asked.
        """
        newest = await self._documents.get_key_document(source.instance_url)
        if newest is None:
            if source.generation == 1:
                return None
            raise SecurityError(
                Code.DOWNGRADE,
                "The publisher showed signed documents before and shows none now; "
                "nothing weaker is accepted in their place.",
            )
        envelope = parse_envelope(newest)
        async with self._database.read() as connection:
            kept = await get_newest_key_document(connection, source.id)
        known = restore_trust(parse_envelope(kept)) if kept is not None else None
        try:
            return await self._walk(source, known, newest, envelope, keep=keep)
        except SecurityError as error:
            if keep and error.code is Code.DOCUMENT_FORK and kept is not None:
                await self._record_fork(source, error, kept, newest)
            raise

    async def learn(self, source: Source, documents: Sequence[bytes]) -> TrustedPublisher | None:
        """Believe key documents that somebody else kept, version 1 first, as if the publisher had shown them now.

        What is older than the known ones changes nothing. Gives the state that is reached; None where there is none.
        Raises SecurityError: what ``begin_trust`` and ``advance_trust`` raise; PfnError (``publisher_document``).
        """
        async with self._database.read() as connection:
            kept = await get_newest_key_document(connection, source.id)
        known = restore_trust(parse_envelope(kept)) if kept is not None else None
        reached = known.document.version if known else 0
        if kept is not None and known is not None and len(documents) >= reached:
            same = documents[reached - 1]
            try:
                advance_trust(known, parse_envelope(same))
            except SecurityError as error:
                if error.code is Code.DOCUMENT_FORK:
                    await self._record_fork(source, error, kept, same)
                raise
        steps = list(documents[reached:])
        if not steps:
            return known
        trusted = self._believe(source, known, [parse_envelope(step) for step in steps])
        await self._keep(source, known, trusted, steps)
        return trusted

    async def time(self, source: Source) -> int | None:
        """Tell in how many milliseconds the publisher shows a key document, whatever it is worth; None without one.

        Raises PfnError where the publisher cannot be asked.
        """
        return await self._documents.time_key_document(source.instance_url)

    async def restore(self, source: Source) -> TrustedPublisher | None:
        """Give the state that was reached last, without asking anybody."""
        async with self._database.read() as connection:
            kept = await get_newest_key_document(connection, source.id)
        return None if kept is None else restore_trust(parse_envelope(kept))

    async def chain(self, source_id: str) -> list[bytes]:
        """Give every key document that was believed, as it came, version 1 first."""
        async with self._database.read() as connection:
            return list(await list_key_documents(connection, source_id))

    async def _walk(
        self, source: Source, known: TrustedPublisher | None, newest: bytes, envelope: Envelope, *, keep: bool
    ) -> TrustedPublisher:
        if known is not None and envelope.payload == known.payload:
            return known
        target = _claimed_version(envelope)
        reached = known.document.version if known else 0
        steps: list[bytes] = []
        for version in range(reached + 1, min(target, reached + LONGEST_CHAIN)):
            step = await self._documents.get_key_document(source.instance_url, version)
            if step is None:
                raise SecurityError(
                    Code.DOCUMENT_GAP, f"Version {version} of the key document is missing, which leads to {target}."
                )
            steps.append(step)
        steps.append(newest)
        trusted = self._believe(source, known, [parse_envelope(step) for step in steps])
        if keep:
            await self._keep(source, known, trusted, steps)
        return trusted

    def _believe(self, source: Source, known: TrustedPublisher | None, envelopes: list[Envelope]) -> TrustedPublisher:
        if known is None:
            return begin_trust(
                envelopes,
                pin=parse_public_key(source.public_key),
                pin_is_oracle=source.signing_oracle,
                source=source.id,
                instance_url=source.instance_url,
                now=int(self._clock()),
            )
        for envelope in envelopes:
            known = advance_trust(known, envelope)
        return known

    async def _keep(
        self, source: Source, known: TrustedPublisher | None, trusted: TrustedPublisher, steps: list[bytes]
    ) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            await hold_custody(connection, source)
            for step in steps:
                envelope = parse_envelope(step)
                version = _claimed_version(envelope)
                await add_key_document(connection, source.id, version, envelope.payload_hash, step, now)
            await change_source(connection, source.id, generation=2)
            blocked = await self._block_revoked(connection, source, trusted)
            await append_unless_halted(connection, _list_leaves(source, known, steps, now), now)
            if known is None:
                return
            details = _describe_change(source, known.document, trusted.document)
            if details["action"] == "custody_handed_over":
                await change_source(connection, source.id, cool_down_until=now + SALE_COOL_DOWN_S)
            await add_activities(connection, [source_event(source, now, details), *_tell_blocked(source, blocked, now)])

    async def _block_revoked(
        self, connection: AsyncConnection, source: Source, trusted: TrustedPublisher
    ) -> Sequence[Release]:
        """Block what a revoked key signed since it was compromised, and give it; what came before stays good."""
        blocked: list[Release] = []
        if not trusted.document.revoked:
            return blocked
        for release in await list_signed_releases(connection, source.id):
            if release.signature is None:
                continue
            signer = key_id(parse_public_key(release.signature.public_key))
            reason = release_blocked(trusted, signer, release.mirror_date)
            if reason is not None and release.block_reason is None:
                await mark_releases(connection, source.id, release.plugin_id, release.version, block_reason=reason)
                await refresh_newest(connection, source.id, release.plugin_id)
                blocked.append(replace(release, block_reason=reason))
        return blocked

    async def _record_fork(self, source: Source, error: SecurityError, first: bytes, second: bytes) -> None:
        async with self._database.write() as connection:
            await record_evidence(connection, source.id, error, first, second, now=int(self._clock()))


def _list_leaves(source: Source, known: TrustedPublisher | None, steps: list[bytes], now: int) -> list[AnyLeaf]:
    """Say which key documents were believed, and which keys each of them revoked."""
    leaves: list[AnyLeaf] = []
    revoked = set() if known is None else {one.id for one in known.document.revoked}
    for envelope in map(parse_envelope, steps):
        document = restore_trust(envelope).document
        leaves.append(publisher_leaf(source.id, document.version, envelope.payload_hash, now))
        fresh = [one for one in document.revoked if one.id not in revoked]
        leaves += [revocation_leaf(source.id, one, envelope.payload_hash, now) for one in fresh]
        revoked |= {one.id for one in fresh}
    return leaves


def _tell_blocked(source: Source, blocked: Sequence[Release], now: int) -> list[Activity]:
    """Say of each plugin which of its releases are blocked, for those who watch the plugin and not its source."""
    by_plugin: dict[str, list[Release]] = {}
    for release in blocked:
        by_plugin.setdefault(release.plugin_id, []).append(release)
    events = []
    for slug, releases in by_plugin.items():
        named = ", ".join(release.version for release in releases[:_MOST_NAMED])
        more = f" and {len(releases) - _MOST_NAMED} more" if len(releases) > _MOST_NAMED else ""
        sentence = f"{slug} {named}{more} of {source.id} is blocked: {releases[0].block_reason}"
        events.append(source_event(source, now, describe("release_blocked", sentence), plugin_id=slug))
    return events


def _claimed_version(envelope: Envelope) -> int:
    """Give the version a key document claims, to know which ones lead there; it is not believed by this."""
    claimed = restore_trust(envelope).document.version
    if claimed < 1:
        raise PfnError(Code.PUBLISHER_DOCUMENT, "The key document's version must be 1 or more.")
    return claimed


def _describe_change(source: Source, old: PublisherDocument, new: PublisherDocument) -> dict[str, object]:
    old_roots, new_roots = ({key.id for key in document.root_keys} for document in (old, new))
    revoked = {one.id for one in new.revoked} - {one.id for one in old.revoked}
    if not old_roots & new_roots:
        # Root keys that have nothing in common are other hands, however orderly the handing over was.
        return describe(
            "custody_handed_over",
            f"{source.id} changed all its root keys. Nothing new of it is served for {SALE_COOL_DOWN_S // 3600} hours.",
            version=new.version,
        )
    if revoked:
        return describe(
            "key_revoked_by_publisher", f"{source.id} revoked a key.", version=new.version, keys=sorted(revoked)
        )
    return describe("key_rotated", f"{source.id} published key document {new.version}.", version=new.version)
