"""A step in the life of a peer: what is due from now on, the log's entry and the event, in one transaction."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import NODE
from pfn.domain.peer import Peer, PeerState, peer_event
from pfn.domain.schedule import Work
from pfn.services.clock import Clock
from pfn.services.leaf import append_unless_halted, peer_leaf
from pfn.services.schedule import ScheduleService
from pfn.storage.activity import add_activities
from pfn.storage.schedule import drop_due

PEER_WORK = (Work.PEER, Work.WITNESS)


class PeerSteps:
    """Takes the steps that are decided on."""

    def __init__(self, schedule: ScheduleService, clock: Clock) -> None:
        self._schedule = schedule
        self._clock = clock

    async def take(
        self,
        connection: AsyncConnection,
        peer: Peer,
        action: str,
        sentence: str,
        *,
        actor: str = NODE,
        code: str | None = None,
    ) -> None:
        """Follow a peer into the state it has now; last in the transaction that put it there.

        A halted log stands in nobody's way: it is from peers that it is brought back.
        """
        now = int(self._clock())
        await self.schedule(connection, peer)
        await append_unless_halted(connection, [peer_leaf(peer, now)], now)
        await add_activities(connection, [peer_event(peer, now, action, sentence, actor=actor, code=code)])

    async def schedule(self, connection: AsyncConnection, peer: Peer) -> None:
        """Have an active peer's log read, and its witness asked, at once and again and again; no other's."""
        wanted = {Work.PEER: True, Work.WITNESS: peer.is_witness}
        subject = str(peer.id)
        for kind in PEER_WORK:
            if peer.state is PeerState.ACTIVE and wanted[kind]:
                await self._schedule.put(connection, kind, subject, at=int(self._clock()), host=peer.host)
            else:
                await drop_due(connection, subject, [kind])
