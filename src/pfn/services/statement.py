"""Signed statements of mirrored releases: give them back as they came, and check them again under today's keys."""

from collections.abc import Sequence

from pfn.domain.key_history import KeyStep, list_steps
from pfn.domain.release import Release
from pfn.domain.source import Source
from pfn.protocol.artifact import check_artifact
from pfn.protocol.check import Check
from pfn.protocol.dsse import key_id, parse_envelope
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.publisher_chain import begin_trust, restore_trust
from pfn.protocol.release_key import release_blocked
from pfn.services.key_document import KeyDocumentService
from pfn.services.statement_row import believe_statement
from pfn.services.verification import require_source
from pfn.storage.database import Database
from pfn.storage.signed_document import (
    StoredStatement,
    get_catalog,
    get_statement,
    list_newest_key_documents,
    list_statements,
)

MOST_STEPS = 12


class StatementService:
    """Knows what publishers signed."""

    def __init__(self, database: Database, keys: KeyDocumentService) -> None:
        self._database = database
        self._keys = keys

    async def get(self, release: Release) -> bytes:
        """Give a release's statement verbatim. Raises PfnError (``statement_unknown``) where there is none."""
        stored = await self._find(release)
        if stored is None:
            raise PfnError(
                Code.STATEMENT_UNKNOWN,
                f"No signed statement covers {release.plugin_id} {release.version}: it is {release.level.value}.",
            )
        return stored.envelope

    async def key_documents(self, source_id: str) -> list[bytes]:
        """Give a source's key documents verbatim, version 1 first. Raises PfnError (``source_unknown``)."""
        await require_source(self._database, source_id)
        return await self._keys.chain(source_id)

    async def key_history(self, source_id: str) -> Sequence[KeyStep]:
        """Tell how the keys of a source came to be what they are: its newest ``MOST_STEPS`` key documents."""
        async with self._database.read() as connection:
            kept = await list_newest_key_documents(connection, source_id, MOST_STEPS + 1)
        found = [(restore_trust(parse_envelope(body)).document, received_at) for body, received_at in kept]
        return list_steps(found)[:MOST_STEPS]

    async def catalog(self, source_id: str) -> bytes:
        """Give a source's newest catalogue verbatim. Raises PfnError: ``source_unknown``, ``statement_unknown``."""
        await require_source(self._database, source_id)
        async with self._database.read() as connection:
            stored = await get_catalog(connection, source_id)
        if stored is None:
            raise PfnError(Code.STATEMENT_UNKNOWN, f"{source_id} has shown no signed catalogue.")
        return stored.envelope

    async def recheck(self, source: Source, release: Release) -> tuple[bytes | None, list[Check]]:
        """Walk the kept documents from the registered key to this release's bytes, as if all had come today.

        The time that counts for keys is when the statement was received.
        """
        stored = await self._find(release)
        chain = await self._keys.chain(source.id)
        if stored is None or not chain or not _came_with(stored, release):
            # A custody reset starts the documents over; what was mirrored before keeps its artifact signature.
            sentence = "Its statement was signed by a former holder of the source and is kept no more."
            return None, [Check("statement", release.signature is not None, sentence)]
        checks: list[Check] = []
        try:
            publisher = begin_trust(
                [parse_envelope(body) for body in chain],
                pin=parse_public_key(source.public_key),
                pin_is_oracle=False,
                source=source.id,
                instance_url=source.instance_url,
                now=stored.received_at,
            )
            sentence = f"Version {publisher.document.version} leads back to the registered key."
            checks.append(Check("key_documents", True, sentence))
            async with self._database.read() as connection:
                row = await list_statements(connection, source.id, [release.plugin_id])
            verified = believe_statement(
                parse_envelope(stored.envelope),
                publisher,
                slug=release.plugin_id,
                version=release.version,
                now=stored.received_at,
                catalog=None,
                kept=[parse_envelope(one.envelope) for one in row],
            )
            checks.append(Check("statement", True, "A release key that was valid when it came signed the statement."))
            blob = release.blob
            check_artifact(verified.statement, length=blob.size, sha256=blob.sha256, sha384=blob.sha384)
            checks.append(Check("statement_digests", True, "The statement is about exactly these bytes."))
            reason = release_blocked(publisher, key_id(verified.key), stored.received_at)
            checks.append(Check("revocation", reason is None, reason or "Its key is not revoked for that time."))
        except PfnError as error:
            checks.append(Check(error.code.slug, False, error.detail))
        yanked = release.yanked_at is not None
        checks.append(
            Check("yank", not yanked, f"Yanked by its publisher: {release.yank_reason}" if yanked else "Not yanked.")
        )
        return stored.envelope, checks

    async def _find(self, release: Release) -> StoredStatement | None:
        if release.statement_sequence is None:
            return None
        async with self._database.read() as connection:
            return await get_statement(connection, release.source_id, release.plugin_id, release.statement_sequence)


def _came_with(stored: StoredStatement, release: Release) -> bool:
    """Tell whether a statement is the one a release was mirrored by: a later holder numbers its own from 1 again."""
    if stored.version != release.version or release.signature is None:
        return False
    signers = {one.key_id for one in parse_envelope(stored.envelope).signatures}
    return key_id(parse_public_key(release.signature.public_key)) in signers
