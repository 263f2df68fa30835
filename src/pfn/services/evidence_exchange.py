"""Evidence between nodes: taken from anybody, believed from nobody, sent on once (protocol.md section 4).

Whoever brings evidence, it is proven here from the two sides and the signer's keys alone; what does not hold changes
nothing. What holds and is new gates the source, or gives up on the peer, and is an entry of the log. So it reaches
every node twice: each node sends what it learns to its peers, and each node that reads another's log asks for what the
log speaks of; large catalogues only the second way. What is known already is not told again, which ends all loops. That
it was sent is remembered while the process lives: who gets it once more after a restart knows it already.
"""

import asyncio
from collections.abc import Sequence

import structlog

from pfn.domain.peer import Peer
from pfn.domain.source import SourceStatus
from pfn.outbound.peer import PeerClient
from pfn.protocol.dsse import parse_envelope
from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.evidence import (
    MAX_LISTED_BYTES,
    MAX_SENT_BYTES,
    EvidenceNotice,
    check_log_evidence,
    check_source_evidence,
)
from pfn.protocol.log.note import VerifierKey, parse_note, parse_verifier_key, write_note
from pfn.protocol.release_statement import read_statement
from pfn.services.clock import Clock
from pfn.services.evidence import record_evidence
from pfn.services.log import LogService
from pfn.services.log_evidence import MOST_PAIRS, LogEvidenceService
from pfn.services.tail import only_signed_by
from pfn.storage.database import Database
from pfn.storage.peer import find_peer
from pfn.storage.signed_document import Evidence, get_evidence, list_evidence, list_evidence_news, list_key_documents
from pfn.storage.source import get_source
from pfn.storage.witness import LogEvidence, list_log_evidence, put_log_evidence

log = structlog.get_logger()

# What was found longer ago is sent to nobody; who reads the log finds it there.
NEWS_S = 30 * 86_400
_PROVABLE = frozenset(
    code.slug
    for code in (
        Code.RELEASE_CONFLICT,
        Code.STATEMENT_FORK,
        Code.CATALOG_FORK,
        Code.DOCUMENT_FORK,
        Code.LOG_FORK,
    )
)


class EvidenceExchange:
    """Receives evidence, asks for it, sends it on."""

    def __init__(
        self,
        database: Database,
        client: PeerClient,
        own: LogService,
        log_evidence: LogEvidenceService,
        clock: Clock,
    ) -> None:
        self._database = database
        self._client = client
        self._own = own
        self._log_evidence = log_evidence
        self._clock = clock
        self._sent: set[tuple[int, str]] = set()

    async def receive(self, notice: EvidenceNotice) -> bool:
        """Prove evidence and act on it; tell whether it is new here.

        Raises PfnError: ``evidence_invalid``, ``source_unknown``, ``log_unknown``.
        """
        async with self._database.read() as connection:
            source = await get_source(connection, notice.subject)
            chain = await list_key_documents(connection, notice.subject)
            peer = await find_peer(connection, origin=notice.subject)
        if source is not None and source.status is not SourceStatus.REMOVED:
            return await self._receive_of_source(notice, chain)
        if notice.subject == self._own.origin:
            return await self._receive_of_own(notice)
        if peer is not None:
            error, first, second = _prove_fork(notice, parse_verifier_key(peer.log_key))
            return await self._log_evidence.record(peer, error, first, second)
        code = Code.SOURCE_UNKNOWN if "@" in notice.subject else Code.LOG_UNKNOWN
        raise PfnError(code, f"{notice.subject} is not known here, so nothing tells whose the signatures are.")

    async def find(self, subject: str) -> Sequence[Evidence | LogEvidence]:
        """Give the evidence against a source, or against a log, newest first, as much as an answer holds."""
        async with self._database.read() as connection:
            of_sources = await list_evidence(connection, subject, most_bytes=MAX_LISTED_BYTES)
            return [*of_sources, *await list_log_evidence(connection, subject)]

    async def ask(self, peer: Peer, subject: str) -> int:
        """Have a peer show the evidence its log speaks of; tell how much of it is new here.

        Raises PfnError: ``peer_unreachable``, ``peer_answer``.
        """
        fresh = 0
        for notice in await self._client.get_evidence(peer.url, subject):
            try:
                fresh += await self.receive(notice)
            except PfnError as error:
                # A dispute about v1 bytes, or keys that are not known here; the peer may well be honest.
                log.info("evidence_refused", subject=subject, url=peer.url, code=error.code.slug, detail=error.detail)
        return fresh

    async def send(self, peer: Peer) -> None:
        """Send a peer what is new and provable, once. Raises PfnError: ``peer_unreachable``, ``peer_answer``."""
        since = int(self._clock()) - NEWS_S
        async with self._database.read() as connection:
            of_sources = await list_evidence_news(connection, since, most_bytes=MAX_SENT_BYTES)
            of_logs = [one for one in await list_log_evidence(connection) if one.found_at >= since]
        for source_id, digest in of_sources:
            if (peer.id, digest) not in self._sent:
                async with self._database.read() as connection:
                    found = await get_evidence(connection, source_id, digest)
                if found is not None and found.kind in _PROVABLE and _is_signed(found):
                    await self._post(peer, _tell(found, source_id))
                self._sent.add((peer.id, digest))
        for one in of_logs:
            if (peer.id, one.digest) not in self._sent:
                if one.kind in _PROVABLE:
                    await self._post(peer, _tell(one, one.origin))
                self._sent.add((peer.id, one.digest))

    async def _post(self, peer: Peer, notice: EvidenceNotice) -> None:
        taken = await self._client.post_evidence(peer.url, notice.to_json())
        log.info("evidence_sent", subject=notice.subject, url=peer.url, taken=taken)

    async def _receive_of_source(self, notice: EvidenceNotice, chain: Sequence[bytes]) -> bool:
        first, second = notice.sides
        documents = [parse_envelope(one) for one in chain]
        error = await asyncio.to_thread(check_source_evidence, notice.kind, first, second, documents)
        slug, version = _name_release(first)
        now = int(self._clock())
        async with self._database.write() as connection:
            return await record_evidence(
                connection, notice.subject, error, first, second, now=now, plugin_id=slug, version=version
            )

    async def _receive_of_own(self, notice: EvidenceNotice) -> bool:
        """Somebody holds two trees that this node's own key signed: nothing more is appended until somebody looks."""
        error, first, second = _prove_fork(notice, self._own.key)
        async with self._database.read() as connection:
            known = [{one.first, one.second} for one in await list_log_evidence(connection, notice.subject)]
        if {first, second} in known or (len(known) >= MOST_PAIRS and await self._own.halted() is not None):
            return False
        # Halted first: a pair that is known halts nothing any more.
        await self._own.halt(f"{error.detail} Another node showed both, signed by this node's own key.")
        async with self._database.write() as connection:
            kept = await put_log_evidence(
                connection, notice.subject, error.code.slug, error.detail, first, second, int(self._clock())
            )
        return kept is not None


def _prove_fork(notice: EvidenceNotice, key: VerifierKey) -> tuple[SecurityError, bytes, bytes]:
    """Prove that a log forked, and give both notes without what others may have added to them."""
    error = check_log_evidence(notice.kind, *notice.sides, key)
    first, second = (write_note(only_signed_by(key, parse_note(side))) for side in notice.sides)
    return error, first, second


def _tell(one: Evidence | LogEvidence, subject: str) -> EvidenceNotice:
    return EvidenceNotice(kind=one.kind, subject=subject, first=one.first.decode(), second=one.second.decode())


def _is_signed(one: Evidence) -> bool:
    """Tell whether both sides are signed documents: of a v1 source only digests are kept, which prove nothing."""
    try:
        parse_envelope(one.first, max_bytes=len(one.first))
    except PfnError:
        return False
    return True


def _name_release(side: bytes) -> tuple[str, str]:
    """Give slug and version of a statement, nothing for another document."""
    try:
        statement = read_statement(parse_envelope(side, max_bytes=len(side)))
    except PfnError:
        return "", ""
    return statement.slug, statement.version
