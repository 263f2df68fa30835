"""Evidence against a log: two things signed by it that it cannot both have meant, kept, logged, and acted on.

The first time a pair is seen its peer is given up on until an operator forgives it; the same pair again changes
nothing. Of a log that is given up on already some pairs are kept, for its owner can sign them without end. While this
node's own log is halted the pair is no entry of it; peers hear of it all the same, for it is sent to them.
"""

from pfn.domain.peer import Peer, PeerState
from pfn.protocol.errors import PfnError
from pfn.services.clock import Clock
from pfn.services.leaf import append_unless_halted, evidence_leaf
from pfn.services.peer import PeerService
from pfn.storage.database import Database
from pfn.storage.peer import get_peer
from pfn.storage.witness import count_log_evidence, put_log_evidence

# Of a log that is read no more, or not yet.
MOST_PAIRS = 20


class LogEvidenceService:
    """Keeps evidence against the logs of peers; whoever calls has verified it."""

    def __init__(self, database: Database, peers: PeerService, clock: Clock) -> None:
        self._database = database
        self._peers = peers
        self._clock = clock

    async def record(self, peer: Peer, error: PfnError, first: bytes, second: bytes) -> bool:
        """Keep both sides and give up on the peer; tell whether that is new here."""
        now = int(self._clock())
        async with self._database.write() as connection:
            # Held before the log is, as by whoever changes a peer.
            current = await get_peer(connection, peer.id, lock=True)
            active = current is not None and current.state is PeerState.ACTIVE
            if not active and await count_log_evidence(connection, peer.origin) >= MOST_PAIRS:
                return False
            kept = await put_log_evidence(connection, peer.origin, error.code.slug, error.detail, first, second, now)
            if kept is None:
                return False
            await append_unless_halted(
                connection, [evidence_leaf(error.code.slug, peer.origin, first, second, now)], now
            )
            await self._peers.mark_faulty(connection, peer.id, error.code, error.detail)
        return True
