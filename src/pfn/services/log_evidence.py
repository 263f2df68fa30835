"""Evidence against a log: two things signed by it that it cannot both have meant, kept, logged, and acted on.

The first time a pair is seen its peer is given up on until an operator forgives it; the same pair again changes
nothing. While this node's own log is halted the pair is kept, and nothing more.
"""

from pfn.domain.peer import Peer
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.leaf import append, evidence_leaf
from pfn.services.peer import PeerService
from pfn.storage.database import Database
from pfn.storage.peer import get_peer
from pfn.storage.witness import put_log_evidence


class LogEvidenceService:
    """Keeps evidence against the logs of peers; whoever calls has verified it."""

    def __init__(self, database: Database, peers: PeerService, clock: Clock) -> None:
        self._database = database
        self._peers = peers
        self._clock = clock

    async def record(self, peer: Peer, error: PfnError, first: bytes, second: bytes) -> bool:
        """Keep both sides and give up on the peer; tell whether the pair is new here."""
        try:
            return await self._record(peer, error, first, second)
        except PfnError as halted:
            if halted.code is not Code.LOG_HALTED:
                raise
        async with self._database.write() as connection:
            now = int(self._clock())
            kept = await put_log_evidence(connection, peer.origin, error.code.slug, error.detail, first, second, now)
        return kept is not None

    async def _record(self, peer: Peer, error: PfnError, first: bytes, second: bytes) -> bool:
        now = int(self._clock())
        async with self._database.write() as connection:
            # Held before the log is, as by whoever changes a peer.
            await get_peer(connection, peer.id, lock=True)
            kept = await put_log_evidence(connection, peer.origin, error.code.slug, error.detail, first, second, now)
            if kept is None:
                return False
            await append(connection, [evidence_leaf(error.code.slug, peer.origin, first, second, now)], now)
            await self._peers.mark_faulty(connection, peer.id, error.code, error.detail)
        return True
