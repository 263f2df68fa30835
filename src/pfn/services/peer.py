"""Peers: suspend, resume, forgive, remove, change, mark as faulty; and how each stands.

How nodes become peers is ``peer_introduction``'s. Does not answer for what is read and taken of a peer, or for what
witnesses sign: who finds a contradiction there says ``mark_faulty``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.peer import (
    CONTRADICT,
    FORGIVE,
    LIFE_CYCLE,
    REMOVE,
    RESUME,
    SUSPEND,
    Peer,
    PeerState,
    Terms,
    peer_event,
)
from pfn.domain.schedule import Due
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.peer_step import PEER_WORK, PeerSteps
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.log import count_leaves
from pfn.storage.peer import (
    Want,
    change_peer,
    count_untried,
    count_wants,
    forget_peer,
    forget_wishes,
    get_peer,
    list_peers,
    list_wants,
)
from pfn.storage.schedule import list_due
from pfn.storage.witness import LogEvidence, list_log_evidence

log = structlog.get_logger()

_SHOWN_WANTS = 20


@dataclass(frozen=True, slots=True)
class PeerReport:
    """Everything there is to say about a peer: what is missing of it and why, what its log cannot deny, what is due.

    ``untried`` of what is ``missing`` was not even tried yet; ``own_size`` is the size of this node's log, to be held
    against how much of it the peer cosigned.
    """

    peer: Peer
    missing: int
    untried: int
    wants: Sequence[Want]
    evidence: Sequence[LogEvidence]
    schedule: Sequence[Due]
    own_size: int


class PeerService:
    """Owns the life of peers."""

    def __init__(self, database: Database, steps: PeerSteps, clock: Clock) -> None:
        self._database = database
        self._steps = steps
        self._clock = clock

    async def suspend(self, actor: str, peer_id: int, reason: str) -> Peer:
        """Read and take nothing of a peer for now, and count its witness no more.

        Raises PfnError: ``peer_unknown``, ``wrong_state``.
        """
        said = f"was suspended: {reason}"
        return await self._move(actor, peer_id, SUSPEND, "peer_suspended", said, detail=reason)

    async def resume(self, actor: str, peer_id: int) -> Peer:
        """End a suspension. Raises as ``suspend``."""
        return await self._move(actor, peer_id, RESUME, "peer_resumed", "was resumed.")

    async def forgive(self, actor: str, peer_id: int) -> Peer:
        """Try once more with a peer that contradicted itself; evidence against it stays. Raises as ``suspend``."""
        return await self._move(actor, peer_id, FORGIVE, "peer_forgiven", "was found faulty and is forgiven.")

    async def remove(self, actor: str, peer_id: int) -> Peer:
        """End it; what is known of its log is kept, what came from it stays. Raises as ``suspend``."""
        async with self._database.write() as connection:
            peer = await self._hold(connection, peer_id)
            removed = replace(peer, state=PeerState(LIFE_CYCLE.next(peer.state, REMOVE)), read_to=0)
            await forget_wishes(connection, peer_id)
            if peer.state is PeerState.PROPOSED:
                now = int(self._clock())
                event = peer_event(peer, now, "peer_refused", f"{peer.url} was refused.", actor=actor, private=True)
                await forget_peer(connection, peer_id)
                await add_activities(connection, [event])
                return removed
            await change_peer(connection, peer_id, state=removed.state, state_code=None, state_detail=None, read_to=0)
            sentence = f"{peer.url} is no longer a peer."
            await self._steps.take(connection, removed, "peer_removed", sentence, actor=actor)
        return removed

    async def change(self, actor: str, peer_id: int, terms: Terms) -> Peer:
        """Change the terms. With another policy all of its log is gone through again, from what is kept here.

        Raises PfnError (``peer_unknown``).
        """
        async with self._database.write() as connection:
            before = await self._hold(connection, peer_id)
            after = before.on_terms(terms)
            if after.policy != before.policy:
                after = replace(after, read_to=0)
                await forget_wishes(connection, peer_id)
            if after != before:
                await change_peer(
                    connection,
                    peer_id,
                    operator=after.operator,
                    policy=after.policy,
                    is_witness=after.is_witness,
                    read_to=after.read_to,
                )
                await self._steps.schedule(connection, after)
                now, sentence = int(self._clock()), f"The terms of the peer {after.url} were changed."
                event = peer_event(after, now, "peer_changed", sentence, actor=actor, private=True)
                await add_activities(connection, [event])
        return after

    async def mark_faulty(self, connection: AsyncConnection, peer_id: int, code: Code, detail: str) -> bool:
        """Give up on an active peer that contradicted itself, until an operator forgives it; last in a transaction.

        It is read no more and drops out of the quorum. Tell whether it was active.
        """
        peer = await get_peer(connection, peer_id, lock=True)
        if peer is None or peer.state is not PeerState.ACTIVE:
            return False
        state = PeerState(LIFE_CYCLE.next(peer.state, CONTRADICT))
        faulty = replace(peer, state=state, state_code=code.slug, state_detail=detail)
        await change_peer(connection, peer_id, state=state, state_code=code.slug, state_detail=detail)
        log.error("peer_faulty", url=peer.url, code=code.slug, detail=detail)
        sentence = f"{peer.url} is faulty: {detail}"
        await self._steps.take(connection, faulty, "peer_faulty", sentence, code=code.slug)
        return True

    async def list(self) -> Sequence[Peer]:
        """Give the peers that were not removed, and the proposals, oldest first."""
        async with self._database.read() as connection:
            return await list_peers(connection)

    async def get(self, peer_id: int) -> Peer:
        """Give a peer. Raises PfnError (``peer_unknown``), also for a removed one."""
        async with self._database.read() as connection:
            return require_peer(peer_id, await get_peer(connection, peer_id))

    async def report(self, peer_id: int) -> PeerReport:
        """Give everything about a peer. Raises as ``get``."""
        async with self._database.read() as connection:
            peer = require_peer(peer_id, await get_peer(connection, peer_id))
            return PeerReport(
                peer=peer,
                missing=await count_wants(connection, peer_id),
                untried=await count_untried(connection, peer_id),
                wants=await list_wants(connection, peer_id, limit=_SHOWN_WANTS),
                evidence=await list_log_evidence(connection, peer.origin),
                # Webhooks have numbers for subjects too.
                schedule=[due for due in await list_due(connection, subject=str(peer_id)) if due.kind in PEER_WORK],
                own_size=await count_leaves(connection),
            )

    async def _move(
        self, actor: str, peer_id: int, event: str, action: str, said: str, *, detail: str | None = None
    ) -> Peer:
        async with self._database.write() as connection:
            peer = await self._hold(connection, peer_id)
            state = PeerState(LIFE_CYCLE.next(peer.state, event))
            moved = replace(peer, state=state, state_code=None, state_detail=detail)
            await change_peer(connection, peer_id, state=state, state_code=None, state_detail=detail)
            await self._steps.take(connection, moved, action, f"{peer.url} {said}", actor=actor)
        return moved

    async def _hold(self, connection: AsyncConnection, peer_id: int) -> Peer:
        return require_peer(peer_id, await get_peer(connection, peer_id, lock=True))


def require_peer(peer_id: int, peer: Peer | None) -> Peer:
    """Give a peer that is there. Raises PfnError (``peer_unknown``), also for a removed one."""
    if peer is None or peer.state is PeerState.REMOVED:
        raise PfnError(Code.PEER_UNKNOWN, f"There is no peer {peer_id}; see: pfn peer list")
    return peer
