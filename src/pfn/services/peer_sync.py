"""One run with a peer: hear of its newest tree, read its log on, take what is wanted, tell it of evidence, compare.

Each step ends in rows, so a crash anywhere is no loss: the next run goes on from the last batch. A run is bounded, and
says so when there is more to do. A peer that is away is only asked again later; one that lies is given up on, with the
name of the lie, until an operator forgives it.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from pfn.domain.activity import NODE
from pfn.domain.peer import Peer, PeerPolicy, PeerState, compare_holdings, peer_event
from pfn.domain.release import SignatureLevel
from pfn.domain.schedule import Outcome, Result, Work
from pfn.outbound.peer import PeerClient
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.evidence_exchange import EvidenceExchange
from pfn.services.lease import Lease, LeaseService
from pfn.services.log import LogService
from pfn.services.peer import PeerService
from pfn.services.peer_document import PeerDocuments
from pfn.services.peer_intake import Intake, read_leaves, sort_leaves, write_intake
from pfn.services.peer_mirror import PeerMirrorService
from pfn.services.proposal import ProposalService
from pfn.services.release_log import require_log
from pfn.services.room import Room
from pfn.services.schedule import ScheduleService
from pfn.services.state import StateService
from pfn.services.tail import Batch, LogReader, TailService
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.peer import (
    NEVER,
    change_peer,
    count_untried,
    get_peer,
    hasten_wants,
    list_peers,
    next_want_at,
    put_peer_leaves,
)
from pfn.storage.schedule import get_due
from pfn.storage.source import get_source

log = structlog.get_logger()

# In one run: of entries 256 each, or more where they are kept here; of releases 64 each.
MOST_READS = 400
MOST_TAKES = 50
_MOST_COMPARED = 100
# A tile that is missing may be on its way to a mirror of the log; missing again and again, it is withheld.
_PATIENCE = 3
_LIES = frozenset(
    {
        Code.LOG_SIGNATURE,
        Code.LOG_ROLLBACK,
        Code.LOG_FORK,
        Code.LOG_CONSISTENCY,
        Code.LOG_INCLUSION,
        Code.LOG_MALFORMED,
        Code.LEAF_MISMATCH,
        Code.PEER_BYTES,
        Code.PEER_ENDLESS,
        Code.PEER_KEYS,
    }
)


class PeerSyncService:
    """Runs with peers, one at a time each; who calls ``run`` holds the lease of its work.

    What a person asks for is done ``elsewhere`` where there is such a place, which is to call ``run``.
    """

    def __init__(
        self,
        database: Database,
        client: PeerClient,
        peers: PeerService,
        tail: TailService,
        documents: PeerDocuments,
        mirror: PeerMirrorService,
        evidence: EvidenceExchange,
        proposals: ProposalService,
        state: StateService,
        own: LogService,
        room: Room,
        leases: LeaseService,
        schedule: ScheduleService,
        clock: Clock,
        *,
        elsewhere: Callable[[Lease], Awaitable[Outcome]] | None = None,
    ) -> None:
        self._database = database
        self._client = client
        self._peers = peers
        self._tail = tail
        self._documents = documents
        self._mirror = mirror
        self._evidence = evidence
        self._proposals = proposals
        self._state = state
        self._own = own
        self._room = room
        self._leases = leases
        self._schedule = schedule
        self._clock = clock
        self._elsewhere = elsewhere

    async def require_active(self, peer_id: int) -> Peer:
        """Give a peer that runs may be done with. Raises PfnError: ``peer_unknown``, ``wrong_state``."""
        peer = await self._peers.get(peer_id)
        if peer.state is not PeerState.ACTIVE:
            raise PfnError(Code.WRONG_STATE, f"The peer {peer.url} is {peer.state.value}; only active ones are read.")
        return peer

    async def run_now(self, peer_id: int) -> Outcome:
        """Do a run at a person's request, after any that goes on; what waits for a later try is tried now.

        Raises PfnError: ``peer_unknown``, ``wrong_state``, and what ``run`` raises.
        """
        peer = await self.require_active(peer_id)
        lease = await self._leases.wait_for(Work.PEER, str(peer_id), host=peer.host)
        try:
            async with self._leases.keep(lease):
                async with self._database.write() as connection:
                    await hasten_wants(connection, int(self._clock()), peer_id=peer_id)
                outcome = await (self._elsewhere(lease) if self._elsewhere else self.run(peer_id))
        except PfnError as error:
            if error.code is not Code.LEASE_LOST:
                await self._schedule.finish(lease, Outcome(Result.FAILED, error.retry_after, error.code.slug))
            raise
        except BaseException:
            await asyncio.shield(self._leases.end(lease))
            raise
        await self._schedule.finish(lease, outcome)
        return outcome

    async def run(self, peer_id: int) -> Outcome:
        """Do what there is to do with a peer.

        Raises PfnError: ``peer_unreachable``, ``peer_answer``, ``peer_withheld``, ``log_halted``, ``storage_full``.
        """
        async with self._database.read() as connection:
            peer = await get_peer(connection, peer_id)
        if peer is None or peer.state is not PeerState.ACTIVE:
            return Outcome(Result.UNCHANGED, detail=Code.WRONG_STATE.slug)
        try:
            return await self._run(peer)
        except PfnError as error:
            if error.code not in _LIES and not await self._is_withheld(peer, error):
                raise
            await self.give_up(peer, error)
            return Outcome(Result.FAILED, detail=error.code.slug)

    async def _run(self, peer: Peer) -> Outcome:
        await require_log(self._database)
        peer = await self._tail.advance(peer)
        await self._evidence.send(peer)
        reads = await self._read(peer)
        if self._proposals.automatic:
            await self._proposals.approve_all(NODE)
        takes, taken = await self._take(peer)
        if taken:
            await self._own.sign()
        await self._evidence.send(peer)
        if reads < MOST_READS and takes < MOST_TAKES:
            await self._compare(peer.id)
        await self._plan(peer, more=reads == MOST_READS or takes == MOST_TAKES)
        return Outcome(Result.CHANGED if reads or taken else Result.UNCHANGED)

    async def _read(self, peer: Peer) -> int:
        """Go through what of the log was not gone through; tell how many batches that were."""
        reader = LogReader(self._database, self._client, peer)
        reads = 0
        while reads < MOST_READS:
            async with self._database.read() as connection:
                current = await get_peer(connection, peer.id)
                origins = {one.origin for one in await list_peers(connection)} | {self._own.origin}
            if current is None or current.state is not PeerState.ACTIVE or current.read_to >= peer.size:
                break
            await self._room.require()
            batch = await reader.read(current.read_to)
            await self._take_in(current, batch, origins)
            reads += 1
        return reads

    async def _take_in(self, peer: Peer, batch: Batch, origins: set[str]) -> None:
        now = int(self._clock())
        leaves = await asyncio.to_thread(read_leaves, batch.first, batch.leaves)
        async with self._database.read() as connection:
            intake = await sort_leaves(connection, peer, leaves, origins, now)
        # First the documents: what they say decides on the evidence, and on what is wanted.
        await self._learn(peer, intake)
        for subject in sorted(intake.evidence):
            await self._evidence.ask(peer, subject)
        async with self._database.write() as connection:
            current = await get_peer(connection, peer.id, lock=True)
            if current is None or current.state is not PeerState.ACTIVE:
                return
            if batch.fresh:
                await put_peer_leaves(connection, peer.id, batch.first, batch.leaves)
            # Other terms, or a new source, have all of the log gone through again.
            if current.read_to == batch.first and current.policy == peer.policy:
                await change_peer(connection, peer.id, read_to=batch.end)
            events = await write_intake(connection, current, intake, now)
            if batch.fresh:
                await add_activities(connection, events)

    async def _learn(self, peer: Peer, intake: Intake) -> None:
        for source_id in sorted(intake.documents):
            async with self._database.read() as connection:
                source = await get_source(connection, source_id)
            if source is None:
                continue
            try:
                await self._documents.learn(peer, source)
            except PfnError as error:
                if error.code is Code.PEER_UNREACHABLE:
                    raise
                # Another pin, or a chain that does not hold: what hangs on it will be refused by itself.
                log.warning("documents_refused", source=source_id, url=peer.url, code=error.code.slug)

    async def _take(self, peer: Peer) -> tuple[int, int]:
        """Take what is wanted and due; tell in how many batches, and how many releases came of it."""
        search = await self._mirror.search(peer, self.give_up)
        batches, taken = 0, 0
        while batches < MOST_TAKES:
            async with self._database.read() as connection:
                current = await get_peer(connection, peer.id)
            if current is None or current.state is not PeerState.ACTIVE:
                break
            found = await self._mirror.take_batch(current, search)
            if found is None:
                break
            batches, taken = batches + 1, taken + found
        return batches, taken

    async def _plan(self, peer: Peer, *, more: bool) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            current = await get_peer(connection, peer.id)
            if current is None or current.state is not PeerState.ACTIVE:
                return
            again = now if more or current.lag else await next_want_at(connection, peer.id)
            if again is not None and again < NEVER:
                await self._schedule.put(connection, Work.PEER, str(peer.id), at=max(again, now), host=peer.host)

    async def _compare(self, peer_id: int) -> None:
        """Ask what the peer holds, where both should hold the same by now, and say when that changes."""
        async with self._database.read() as connection:
            peer = await get_peer(connection, peer_id)
            untried = await count_untried(connection, peer_id)
        if peer is None or peer.state is not PeerState.ACTIVE or peer.lag or untried:
            return
        same = await self._hold_same(peer)
        if same is None:
            return
        now = int(self._clock())
        after = compare_holdings(peer.equal, peer.compared_at, same, now)
        async with self._database.write() as connection:
            await change_peer(connection, peer.id, equal=after.equal, compared_at=after.compared_at)
            if after.is_news:
                said = "hold the same" if same else "do not hold the same, though neither has anything left to fetch"
                sentence = f"This node and {peer.url} {said}."
                event = peer_event(peer, now, "peer_equal" if same else "peer_unequal", sentence)
                await add_activities(connection, [event])

    async def _hold_same(self, peer: Peer) -> bool | None:
        """Compare digests; None where the terms make no claim that both hold the same, or the peer has moved on."""
        sources = _compared(peer.policy)
        for source_id in sources or ():
            theirs = await self._client.get_state(peer.url, source_id)
            if theirs is not None and theirs.log_size not in {None, peer.size}:
                return None
            try:
                ours = await self._state.held(source_id)
            except PfnError:
                return False
            if theirs is None or theirs.digest != ours.digest:
                return False
        return None if sources is None else True

    async def _is_withheld(self, peer: Peer, error: PfnError) -> bool:
        if error.code is not Code.PEER_WITHHELD:
            return False
        async with self._database.read() as connection:
            due = await get_due(connection, Work.PEER, str(peer.id))
        return due is not None and due.outcome == error.code.slug and due.failures + 1 >= _PATIENCE

    async def give_up(self, peer: Peer, error: PfnError) -> None:
        """Count a peer as faulty, for what it did."""
        async with self._database.write() as connection:
            await self._peers.mark_faulty(connection, peer.id, error.code, error.detail)


def _compared(policy: PeerPolicy) -> tuple[str | None, ...] | None:
    """Give the sources whose digests must be the same by these terms, (None,) for all; None where none must."""
    if policy.tags or policy.minimum_trust > 0 or policy.minimum_level is not SignatureLevel.NONE:
        return None
    if policy.take == "all":
        return (None,)
    return policy.sources[:_MOST_COMPARED] if policy.take == "chosen" else None
