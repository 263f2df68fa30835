"""Rows of peers: one of an address and of a log, and all that hangs on one goes with it."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.support.peers import NOW, make_peer

from pfn.domain.peer import Peer, PeerPolicy, PeerState
from pfn.domain.release import SignatureLevel
from pfn.storage.database import Database
from pfn.storage.peer import (
    Proposal,
    Want,
    add_peer,
    change_peer,
    count_wants,
    decide_proposals,
    drop_want,
    find_peer,
    forget_peer,
    forget_wishes,
    get_peer,
    list_peer_leaves,
    list_peers,
    list_proposals,
    list_wants,
    put_peer_leaves,
    put_proposal,
    put_want,
)

POLICY = PeerPolicy("chosen", ("a@x.org",), ("forms",), 0.25, SignatureLevel.ARTIFACT, "peers")
SHA = "0" * 64


async def add(database: Database, number: int, state: PeerState = PeerState.ACTIVE) -> Peer:
    async with database.write() as connection:
        return await add_peer(connection, make_peer(number, state))


def want(peer: Peer, index: int, **more: object) -> Want:
    return replace(Want("a@x.org", "hello", f"1.{index}", peer.id, index, SHA, NOW), **more)


async def test_a_peer_reads_back(database: Database):
    peer = await add(database, 1)
    assert peer == replace(make_peer(), id=peer.id)
    async with database.write() as connection:
        await change_peer(
            connection, peer.id, policy=POLICY, state=PeerState.FAULTY, root=b"r" * 32, size=5, equal=False
        )
    async with database.read() as connection:
        found = await get_peer(connection, peer.id)
        assert found == await find_peer(connection, url=peer.url) == await find_peer(connection, origin=peer.origin)
        assert await get_peer(connection, peer.id + 1) is None
        assert await find_peer(connection, url="https://nobody.example.org") is None
    assert found is not None
    assert (found.policy, found.state, found.equal) == (POLICY, PeerState.FAULTY, False)
    assert found.head is not None
    assert found.head.size == 5


async def test_an_address_and_a_log_have_one_row(database: Database):
    peer = await add(database, 1)
    for twin in (replace(make_peer(2), url=peer.url), replace(make_peer(2), origin=peer.origin)):
        with pytest.raises(IntegrityError):
            async with database.write() as connection:
                await add_peer(connection, twin)


async def test_peers_are_listed_by_state(database: Database):
    peers = [await add(database, number, state) for number, state in enumerate(PeerState, 1)]
    async with database.read() as connection:
        assert [one.state for one in await list_peers(connection)] == [s for s in PeerState if s != "removed"]
        assert list(await list_peers(connection, removed=True)) == peers
        for peer in peers:
            assert list(await list_peers(connection, state=peer.state)) == [peer]


async def test_what_hangs_on_a_peer(database: Database):
    first, second = await add(database, 1), await add(database, 2)
    async with database.write() as connection:
        for peer in (first, second):
            await put_peer_leaves(connection, peer.id, 3, [b"three", b"four"])
            await put_peer_leaves(connection, peer.id, 4, [b"other four", b"five"])
            await put_want(connection, want(peer, 4))
            await put_want(connection, want(peer, 3, next_retry=NOW + 9))
            made = Proposal("a@x.org", peer.id, "https://x.org", "a", "KEY", NOW)
            assert await put_proposal(connection, made)
            assert not await put_proposal(connection, made)
    async with database.read() as connection:
        assert await list_peer_leaves(connection, first.id, 3, 6) == [b"three", b"four", b"five"]
        assert [one.idx for one in await list_wants(connection, first.id)] == [3, 4]
        assert [one.idx for one in await list_wants(connection, first.id, limit=1)] == [3]
        assert [one.idx for one in await list_wants(connection, first.id, due=NOW)] == [4]
        assert await count_wants(connection, first.id) == 2
        assert [one.peer_id for one in await list_proposals(connection)] == [first.id, second.id]
    async with database.write() as connection:
        await put_want(connection, want(first, 3, code="peer_unreachable", details="away", retry_count=1))
        await drop_want(connection, "a@x.org", "hello", "1.4")
        await forget_wishes(connection, second.id)
    async with database.read() as connection:
        (left,) = await list_wants(connection, first.id)
        assert (left.code, left.retry_count, left.next_retry) == ("peer_unreachable", 1, NOW)
        assert await count_wants(connection, second.id) == 0
        assert await list_peer_leaves(connection, second.id, 0, 9) == [b"three", b"four", b"five"]
        assert [one.peer_id for one in await list_proposals(connection, source_id="a@x.org")] == [first.id]


async def test_an_answered_proposal_keeps_its_answer(database: Database):
    peer = await add(database, 1)
    made = Proposal("a@x.org", peer.id, "https://x.org", "a", "KEY", NOW)
    async with database.write() as connection:
        await put_proposal(connection, made)
        assert await decide_proposals(connection, "a@x.org", "refused") == 1
        assert not await put_proposal(connection, made)
        await forget_wishes(connection, peer.id)
    async with database.read() as connection:
        assert await list_proposals(connection) == []
        assert [one.state for one in await list_proposals(connection, state=None)] == ["refused"]


async def test_a_forgotten_peer_leaves_nothing(database: Database):
    peer = await add(database, 1)
    async with database.write() as connection:
        await put_peer_leaves(connection, peer.id, 0, [b"leaf"])
        await put_want(connection, want(peer, 0))
        await put_proposal(connection, Proposal("a@x.org", peer.id, "https://x.org", "a", "KEY", NOW))
        await forget_peer(connection, peer.id)
        assert await list_peers(connection, removed=True) == []
        assert await list_peer_leaves(connection, peer.id, 0, 9) == []
    again = await add(database, 1)
    assert again.url == peer.url
