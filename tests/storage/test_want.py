"""What is wanted of peers, and what is held: rows on both databases."""

from dataclasses import replace

from tests.support.peers import make_peer
from tests.support.records import ANN, add_sources, make_release, offer

from pfn.domain.peer import Peer
from pfn.storage.database import Database
from pfn.storage.held import find_served_blob, list_held
from pfn.storage.peer import (
    NEVER,
    Proposal,
    Want,
    add_peer,
    add_wants,
    change_peer,
    count_proposals,
    count_untried,
    count_wants,
    find_peer_leaves,
    get_peer,
    hasten_wants,
    list_due_wants,
    next_want_at,
    put_peer_leaves,
    put_proposal,
    put_want,
    read_anew,
)
from pfn.storage.release import blobs_among, mark_releases
from pfn.storage.source import change_source


async def add(database: Database, number: int = 1) -> Peer:
    async with database.write() as connection:
        return await add_peer(connection, make_peer(number))


def want(peer: Peer, number: int, **changes: object) -> Want:
    made = Want(ANN, f"plugin-{number}", "1.0", peer.id, number, "ab" * 32, next_retry=100)
    return replace(made, **changes)  # type: ignore[arg-type]  # fields by name


async def test_wants_are_tried_newest_first_and_a_second_word_changes_nothing(database: Database):
    peer = await add(database)
    async with database.write() as connection:
        await add_wants(connection, [])
        await add_wants(connection, [want(peer, number) for number in range(3)])
        tried = want(peer, 1, code="unsigned", retry_count=2, next_retry=500)
        await put_want(connection, tried)
        await add_wants(connection, [want(peer, number) for number in range(4)])
        assert [one.idx for one in await list_due_wants(connection, peer.id, 100, limit=2)] == [3, 2]
        assert [one.idx for one in await list_due_wants(connection, peer.id, 99, limit=9)] == []
        assert tried in await list_due_wants(connection, peer.id, 500, limit=9)
        assert (await count_wants(connection, peer.id), await count_untried(connection, peer.id)) == (4, 3)
        assert await next_want_at(connection, peer.id) == 100
        assert await next_want_at(connection, peer.id + 1) is None


async def test_what_waits_is_hastened_by_source_or_by_peer(database: Database):
    one, two = await add(database), await add(database, 2)
    async with database.write() as connection:
        for peer in (one, two):
            await put_want(connection, want(peer, 1, code="signature_invalid", next_retry=NEVER))
        assert want(one, 1, next_retry=NEVER).due_at is None
        await hasten_wants(connection, 200, peer_id=one.id)
        assert (await next_want_at(connection, one.id), await next_want_at(connection, two.id)) == (200, NEVER)
        await hasten_wants(connection, 300, source_id="bob@two.example")
        assert await next_want_at(connection, two.id) == NEVER
        await hasten_wants(connection, 300, source_id=ANN)
        # Nothing is put off by that.
        assert (await next_want_at(connection, one.id), await next_want_at(connection, two.id)) == (200, 300)


async def test_logs_are_gone_through_again_from_what_is_kept(database: Database):
    peer = await add(database)
    async with database.write() as connection:
        await put_peer_leaves(connection, peer.id, 5, [b"five", b"six", b"seven"])
        await change_peer(connection, peer.id, size=8, root=b"r" * 32, read_to=8)
        await read_anew(connection)
        found = await get_peer(connection, peer.id)
        assert found is not None
        assert (found.size, found.read_to) == (8, 0)
        assert await find_peer_leaves(connection, peer.id, [4, 5, 7]) == {5: b"five", 7: b"seven"}


async def test_proposals_of_a_peer_are_counted(database: Database):
    one, two = await add(database), await add(database, 2)
    async with database.write() as connection:
        for peer, name in ((one, "a"), (one, "b"), (two, "a")):
            proposal = Proposal(f"{name}@x.org", peer.id, "https://x.org", name, "key", 5)
            assert await put_proposal(connection, proposal)
            assert not await put_proposal(connection, proposal)
        assert [await count_proposals(connection, peer.id) for peer in (one, two)] == [2, 1]


async def test_what_is_held_is_what_is_served(database: Database):
    releases = [make_release("hello", version) for version in ("1.0", "1.1", "1.2")]
    digests = [one.blob.sha256 for one in releases]
    async with database.write() as connection:
        await add_sources(connection)
        await offer(connection, *releases)
        await mark_releases(connection, ANN, "hello", "1.1", yanked_at=5, yank_reason="It loses data.")
        await mark_releases(connection, ANN, "hello", "1.2", block_reason="Its key is revoked.")
        held = sorted(await list_held(connection))
        assert held == [(ANN, "hello", "1.0", digests[0], False), (ANN, "hello", "1.1", digests[1], True)]
        assert sorted(await list_held(connection, ANN)) == held
        assert await list_held(connection, "bob@two.example") == []
        assert [await find_served_blob(connection, one) for one in digests] == [
            releases[0].blob,
            releases[1].blob,
            None,
        ]
        assert await blobs_among(connection, [*digests, "0" * 64]) == set(digests)
        await change_source(connection, ANN, status="suspended")
        assert await list_held(connection) == []
        assert await find_served_blob(connection, digests[0]) is None
