"""The steps of a peer's life: its state, what is due, what the log and the history say of it."""

from dataclasses import dataclass

import pytest
from sqlalchemy import select
from tests.services.conftest import StandingClock
from tests.support.peers import make_peer

from pfn.domain.peer import Peer, PeerPolicy, PeerState, Terms
from pfn.domain.schedule import Work
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import PeerLeaf, parse_leaf
from pfn.services.peer import PeerService
from pfn.services.peer_step import PeerSteps
from pfn.services.schedule import ScheduleService, make_paces
from pfn.storage.database import Database
from pfn.storage.log import count_leaves, halt_log, list_leaves
from pfn.storage.peer import (
    Proposal,
    Want,
    add_peer,
    change_peer,
    get_peer,
    list_peer_leaves,
    list_proposals,
    put_peer_leaves,
    put_proposal,
    put_want,
)
from pfn.storage.schedule import list_due, put_due
from pfn.storage.schema import events
from pfn.storage.witness import put_log_evidence

ME = "key-of-operator"
FAULT = "It has two trees of 5 entries."
BOTH = {Work.PEER, Work.WITNESS}


@dataclass
class Life:
    """The service under test, and words for what its tests ask again and again."""

    database: Database
    clock: StandingClock
    peers: PeerService

    async def add(self, state: PeerState = PeerState.ACTIVE, number: int = 1) -> Peer:
        async with self.database.write() as connection:
            return await add_peer(connection, make_peer(number, state))

    async def due(self, peer: Peer) -> set[Work]:
        async with self.database.read() as connection:
            return {row.kind for row in await list_due(connection, subject=str(peer.id))}

    async def logged(self) -> list[str]:
        async with self.database.read() as connection:
            leaves = await list_leaves(connection, 0, await count_leaves(connection))
        found = [parse_leaf(leaf) for leaf in leaves]
        assert all(isinstance(leaf, PeerLeaf) and leaf.at == self.clock.now for leaf in found)
        return [leaf.state for leaf in found if isinstance(leaf, PeerLeaf)]

    async def told(self) -> list[tuple[str, str, bool]]:
        """Give the actions so far, by whom, and whether they are private."""
        async with self.database.read() as connection:
            rows = await connection.execute(select(events).order_by(events.c.seq))
            return [(row.action, row.actor, row.private) for row in rows]

    async def fail(self, peer: Peer) -> bool:
        async with self.database.write() as connection:
            return await self.peers.mark_faulty(connection, peer.id, Code.LOG_FORK, FAULT)

    async def refuses(self, peer_id: int, code: Code, *steps: str) -> None:
        for step in steps:
            more = ("why",) if step == "suspend" else ()
            with pytest.raises(PfnError) as refused:
                await getattr(self.peers, step)(ME, peer_id, *more)
            assert refused.value.code is code, step


@pytest.fixture
async def life(database: Database) -> Life:
    clock = StandingClock()
    paces = make_paces(sync=3600, probe=600, verify=86_400, recheck=86_400, scrub=86_400)
    schedule = ScheduleService(database, clock, paces, dice=lambda: 0.0)
    return Life(database, clock, PeerService(database, PeerSteps(schedule, clock), clock))


async def test_a_suspended_peer_is_left_alone_until_it_is_resumed(life: Life) -> None:
    peer = await life.add()
    suspended = await life.peers.suspend(ME, peer.id, "moves house")
    assert (suspended.state, suspended.state_detail) == (PeerState.SUSPENDED, "moves house")
    assert await life.due(peer) == set()
    assert not await life.fail(peer)
    await life.refuses(peer.id, Code.WRONG_STATE, "suspend", "forgive")
    assert (await life.peers.resume(ME, peer.id)).state_detail is None
    assert await life.due(peer) == BOTH
    assert await life.peers.get(peer.id) == peer
    assert await life.logged() == ["suspended", "active"]
    assert await life.told() == [("peer_suspended", ME, False), ("peer_resumed", ME, False)]


async def test_a_faulty_peer_is_given_up_until_it_is_forgiven(life: Life) -> None:
    peer = await life.add()
    assert await life.fail(peer)
    assert not await life.fail(peer)
    faulty = await life.peers.get(peer.id)
    assert (faulty.state, faulty.state_code, faulty.state_detail) == (PeerState.FAULTY, "log_fork", FAULT)
    assert await life.due(peer) == set()
    await life.refuses(peer.id, Code.WRONG_STATE, "suspend", "resume")
    assert await life.peers.forgive(ME, peer.id) == peer
    assert await life.due(peer) == BOTH
    assert await life.logged() == ["faulty", "active"]
    assert await life.told() == [("peer_faulty", "node", False), ("peer_forgiven", ME, False)]
    async with life.database.read() as connection:
        details = (await connection.execute(select(events.c.details).order_by(events.c.seq))).scalars().first()
    assert details is not None
    assert details["code"] == "log_fork"
    assert (details["peer"], details["url"], details["origin"]) == (peer.id, peer.url, peer.origin)


async def test_a_fault_is_undone_with_the_transaction_it_was_found_in(life: Life) -> None:
    peer = await life.add()

    async def find_and_fail() -> None:
        async with life.database.write() as connection:
            assert await life.peers.mark_faulty(connection, peer.id, Code.LOG_FORK, FAULT)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await find_and_fail()
    assert await life.peers.get(peer.id) == peer
    assert await life.logged() == []


@pytest.mark.parametrize("state", [PeerState.ACTIVE, PeerState.SUSPENDED, PeerState.FAULTY])
async def test_a_removed_peer_is_gone_but_its_log_is_remembered(life: Life, state: PeerState) -> None:
    peer = await life.add(state)
    async with life.database.write() as connection:
        await change_peer(connection, peer.id, size=2, root=b"r" * 32, read_to=2, state_code="log_fork")
        await put_peer_leaves(connection, peer.id, 0, [b"one", b"two"])
        await put_want(connection, Want("a@x.org", "p", "1.0", peer.id, 0, "0" * 64, 0))
        await put_proposal(connection, Proposal("a@x.org", peer.id, "https://x.org", "a", "KEY", 0))
    assert (await life.peers.remove(ME, peer.id)).state is PeerState.REMOVED
    assert list(await life.peers.list()) == []
    await life.refuses(peer.id, Code.PEER_UNKNOWN, "suspend", "resume", "forgive", "remove")
    for look in (life.peers.get, life.peers.report):
        with pytest.raises(PfnError) as refused:
            await look(peer.id)
        assert refused.value.code is Code.PEER_UNKNOWN
    async with life.database.read() as connection:
        kept = await get_peer(connection, peer.id)
        assert kept is not None
        assert (kept.size, kept.read_to, kept.state_code) == (2, 0, None)
        assert len(await list_peer_leaves(connection, peer.id, 0, 2)) == 2
        assert await list_proposals(connection) == []
    assert await life.due(peer) == set()
    assert await life.logged() == ["removed"]
    assert await life.told() == [("peer_removed", ME, False)]


async def test_a_proposal_can_only_be_accepted_or_refused(life: Life) -> None:
    peer = await life.add(PeerState.PROPOSED)
    await life.refuses(peer.id, Code.WRONG_STATE, "suspend", "resume", "forgive")
    assert not await life.fail(peer)
    await life.peers.remove(ME, peer.id)
    async with life.database.read() as connection:
        assert await get_peer(connection, peer.id) is None
    assert await life.logged() == []
    assert await life.told() == [("peer_refused", ME, True)]


async def test_another_policy_goes_through_the_log_again(life: Life) -> None:
    peer = await life.add()
    async with life.database.write() as connection:
        await change_peer(connection, peer.id, size=9, root=b"r" * 32, read_to=9)
        await put_want(connection, Want("a@x.org", "p", "1.0", peer.id, 0, "0" * 64, 0))
    same = await life.peers.change(ME, peer.id, Terms(policy=PeerPolicy()))
    assert same.read_to == 9
    assert await life.told() == []
    renamed = await life.peers.change(ME, peer.id, Terms(operator="Somebody", is_witness=False))
    assert (renamed.operator, renamed.read_to) == ("Somebody", 9)
    assert (await life.peers.report(peer.id)).missing == 1
    assert await life.due(peer) == {Work.PEER}
    changed = await life.peers.change(ME, peer.id, Terms(policy=PeerPolicy(take="nothing"), is_witness=True))
    assert (changed.read_to, changed.lag, changed.operator) == (0, 9, "Somebody")
    assert await life.peers.get(peer.id) == changed
    report = await life.peers.report(peer.id)
    assert (report.missing, list(report.wants)) == (0, [])
    assert await life.due(peer) == BOTH
    assert await life.told() == [("peer_changed", ME, True)] * 2
    assert await life.logged() == []


async def test_a_change_of_terms_does_not_wake_who_rests(life: Life) -> None:
    for number, state in enumerate((PeerState.SUSPENDED, PeerState.PROPOSED, PeerState.FAULTY), 1):
        peer = await life.add(state, number)
        await life.peers.change(ME, peer.id, Terms(policy=PeerPolicy(take="nothing")))
        assert await life.due(peer) == set()


async def test_a_report_tells_how_a_peer_stands(life: Life) -> None:
    peer, other = await life.add(), await life.add(number=2)
    now = int(life.clock.now)
    async with life.database.write() as connection:
        await change_peer(connection, peer.id, size=9, root=b"r" * 32, read_to=4)
        for number in range(30):
            await put_want(connection, Want("a@x.org", "p", f"1.{number}", peer.id, number, "0" * 64, now))
        await put_log_evidence(connection, peer.origin, "log_fork", FAULT, b"one", b"other", now)
        # A webhook may have the same number.
        await put_due(connection, Work.DELIVER, str(peer.id), due_at=now, interval_s=1)
    await life.peers.suspend(ME, other.id, "why")
    await life.peers.resume(ME, other.id)
    report = await life.peers.report(peer.id)
    assert (report.peer.lag, report.missing, len(report.wants), report.own_size) == (5, 30, 20, 2)
    assert [one.details for one in report.evidence] == [FAULT]
    assert list(report.schedule) == []
    other_report = await life.peers.report(other.id)
    assert {(row.kind, row.host) for row in other_report.schedule} == {(kind, other.host) for kind in BOTH}
    assert other_report.evidence == []
    assert [one.id for one in await life.peers.list()] == [peer.id, other.id]
    await life.refuses(7, Code.PEER_UNKNOWN, "suspend", "remove")


async def test_a_halted_log_stands_in_nobodys_way(life: Life) -> None:
    peer = await life.add()
    async with life.database.write() as connection:
        await halt_log(connection, "set back", 1)
    assert await life.fail(peer)
    await life.peers.forgive(ME, peer.id)
    await life.peers.remove(ME, peer.id)
    assert await life.logged() == []
    assert [action for action, *_ in await life.told()] == ["peer_faulty", "peer_forgiven", "peer_removed"]
