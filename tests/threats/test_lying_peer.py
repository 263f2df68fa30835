"""A peer that lies, in every way there is: caught under a name, given up on, and what proves it is kept.

``faulty`` is out of the quorum and read no more, until an operator forgives it. Mere absence is none of that.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.mesh import befriend, peer_of, read, register, versions, wants
from tests.support.network import ServedNode, serve_node

from pfn.domain.peer import PeerState
from pfn.domain.schedule import Work
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.bundle import SignedMessage, parse_bundle, write_bundle
from pfn.protocol.log.entry import EvidenceLeaf, SourceLeaf, parse_leaf
from pfn.protocol.log.note import NoteSigner
from pfn.services.peer_intake import MOST_PROPOSALS
from pfn.services.peer_offer import MOST_OFFER_BYTES
from pfn.storage.log import count_leaves, list_leaves
from pfn.testing.peer import FakePeer
from pfn.testing.publisher_v2 import FakePublisherV2


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as served:
        yield served


@pytest.fixture
async def other(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "other") as served:
        yield served


@pytest.fixture
async def liar() -> AsyncIterator[FakePeer]:
    async with FakePeer() as peer:
        for number in range(5):
            peer.log(b'{"t":"test","v":{"number":%d}}' % number)
        yield peer


async def judge(node: ServedNode, peer_id: int, code: Code) -> None:
    """Check that a peer was given up on for this, is due for nothing, and that the feed heard of it."""
    peer = await peer_of(node, peer_id)
    assert (peer.state, peer.state_code) == (PeerState.FAULTY, code.slug), (peer.state_code, peer.state_detail)
    assert await node.services.schedule.find(Work.PEER, str(peer_id)) is None
    assert await node.services.schedule.find(Work.WITNESS, str(peer_id)) is None
    assert (await node.actions()).count("peer_faulty") == 1


def another_tree_of_one_size(liar: FakePeer) -> None:
    liar.fork()


def another_way_since(liar: FakePeer) -> None:
    liar.fork(2)
    liar.log(b'{"t":"test","v":{}}')


def an_older_part_that_is_other(liar: FakePeer) -> None:
    liar.fork(1)
    liar.show(3)


def an_older_tree(liar: FakePeer) -> None:
    liar.show(3)


def an_endless_tree(liar: FakePeer) -> None:
    liar.claim(2**50)


def a_tree_nobody_can_see(liar: FakePeer) -> None:
    liar.claim(9)


def another_key(liar: FakePeer) -> None:
    liar.signer = NoteSigner(liar.signer.name, SigningKey.generate())


def another_log(liar: FakePeer) -> None:
    liar.signer = NoteSigner("another.example/pfn", SigningKey.generate())


def other_entries(liar: FakePeer) -> None:
    liar.log(b'{"t":"test","v":{}}')
    liar.answers["/log/tile/entries/000.p/6"] = b"\x00\x02{}" * 6


def fewer_entries(liar: FakePeer) -> None:
    liar.log(b'{"t":"test","v":{}}')
    liar.answers["/log/tile/entries/000.p/6"] = b"\x00\x02{}" * 5


def other_hashes(liar: FakePeer) -> None:
    liar.log(b'{"t":"test","v":{}}')
    liar.answers["/log/tile/0/000.p/6"] = b"\x01" * 32 * 6


LIES: list[tuple[Callable[[FakePeer], None], Code]] = [
    (another_tree_of_one_size, Code.LOG_FORK),
    (another_way_since, Code.LOG_CONSISTENCY),
    (an_older_part_that_is_other, Code.LOG_FORK),
    (an_older_tree, Code.LOG_ROLLBACK),
    (an_endless_tree, Code.PEER_ENDLESS),
    (another_key, Code.LOG_SIGNATURE),
    (another_log, Code.PEER_KEYS),
    (other_entries, Code.LOG_CONSISTENCY),
    (fewer_entries, Code.LOG_MALFORMED),
    (other_hashes, Code.LOG_CONSISTENCY),
]


@pytest.mark.parametrize(("lie", "code"), LIES, ids=[lie.__name__ for lie, _ in LIES])
async def test_a_lie_about_the_log_is_caught(
    node: ServedNode, liar: FakePeer, lie: Callable[[FakePeer], None], code: Code
):
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    before = await peer_of(node, peer_id)
    assert (before.size, before.read_to, before.state) == (5, 5, PeerState.ACTIVE)
    lie(liar)
    await read(node, peer_id)
    await judge(node, peer_id, code)
    after = await peer_of(node, peer_id)
    # What was believed before stays what is known; nothing of the lie is kept but what proves it.
    assert after.read_to == 5
    asked = len(liar.requests)
    await read(node, peer_id)
    assert len(liar.requests) == asked
    # Forgiven, it is tried once more, and caught once more.
    assert (await node.post(f"peers/{peer_id}/forgive")).status_code == 200
    await read(node, peer_id)
    assert (await peer_of(node, peer_id)).state_code == code.slug


async def test_what_is_honest_again_is_read_on_once_it_is_forgiven(node: ServedNode, liar: FakePeer):
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    liar.show(3)
    await read(node, peer_id)
    await judge(node, peer_id, Code.LOG_ROLLBACK)
    liar.show(None)
    liar.log(b'{"t":"test","v":{}}')
    await node.post(f"peers/{peer_id}/forgive")
    await read(node, peer_id)
    peer = await peer_of(node, peer_id)
    assert (peer.state, peer.size, peer.read_to) == (PeerState.ACTIVE, 6, 6)


async def test_entries_that_are_missing_again_and_again_are_withheld(node: ServedNode, liar: FakePeer):
    peer_id = await befriend(node, liar)
    liar.withhold("tile/entries/000.p/5")
    liar.withhold("tile/entries/000")
    for _ in range(2):
        with pytest.raises(PfnError) as raised:
            await node.services.peer_syncs.run_now(peer_id)
        assert raised.value.code is Code.PEER_WITHHELD
        assert (await peer_of(node, peer_id)).state is PeerState.ACTIVE
    await node.services.peer_syncs.run_now(peer_id)
    await judge(node, peer_id, Code.PEER_WITHHELD)


async def test_who_is_away_is_no_liar(node: ServedNode, liar: FakePeer):
    peer_id = await befriend(node, liar)
    liar.away = True
    for _ in range(5):
        with pytest.raises(PfnError) as raised:
            await node.services.peer_syncs.run_now(peer_id)
        assert raised.value.code is Code.PEER_UNREACHABLE
    due = await node.services.schedule.find(Work.PEER, str(peer_id))
    assert due is not None
    assert due.failures == 5
    liar.away = False
    await read(node, peer_id)
    peer = await peer_of(node, peer_id)
    assert (peer.state, peer.read_to) == (PeerState.ACTIVE, 5)


async def test_a_page_in_place_of_a_checkpoint_is_no_lie(node: ServedNode, liar: FakePeer):
    peer_id = await befriend(node, liar)
    liar.answers["/log/checkpoint"] = b"<!doctype html><title>We are moving house</title>"
    with pytest.raises(PfnError) as raised:
        await read(node, peer_id)
    assert raised.value.code is Code.PEER_ANSWER
    assert (await peer_of(node, peer_id)).state is PeerState.ACTIVE


async def test_a_fork_is_proven_to_a_third_node(node: ServedNode, other: ServedNode, liar: FakePeer):
    """Two notes over two trees of one size: whoever knows the log's key need not have seen either."""
    here, there = await befriend(node, liar), await befriend(other, liar)
    friend = await befriend(node, other)
    await read(node, here)
    liar.fork()
    await read(node, here)
    await judge(node, here, Code.LOG_FORK)
    await read(node, friend)
    await judge(other, there, Code.LOG_FORK)
    for one in (node, other):
        (row,) = await one.get("evidence", subject=liar.signer.name)
        assert (row["kind"], row["subject"]) == ("log_fork", liar.signer.name)
        async with one.database.read() as connection:
            leaves = await list_leaves(connection, 0, await count_leaves(connection))
        assert len([leaf for leaf in leaves if b'"t":"evidence"' in leaf]) == 1
        leaf = parse_leaf(next(leaf for leaf in leaves if b'"t":"evidence"' in leaf))
        assert isinstance(leaf, EvidenceLeaf)
        assert (leaf.about, leaf.subject) == ("log_fork", liar.signer.name)


# What it shows for its releases.


async def offer(liar: FakePeer, publisher: FakePublisherV2) -> bytes:
    content = publisher.add_plugin("one", "1.0")
    liar.keep(publisher)
    liar.offer(publisher, "one", "1.0", content)
    return content


async def test_an_honest_fake_is_believed(node: ServedNode, liar: FakePeer):
    async with FakePublisherV2() as publisher:
        await offer(liar, publisher)
        source = await register(node, publisher)
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    assert await versions(node, source) == {"one": ["1.0"]}
    assert not await wants(node, peer_id)
    assert (await node.get("verify", source=source, plugin="one"))["valid"]


async def test_a_zip_with_other_bytes_than_its_name_is_a_lie(node: ServedNode, liar: FakePeer):
    async with FakePublisherV2() as publisher:
        await offer(liar, publisher)
        source = await register(node, publisher)
    (sha256,) = liar.blobs
    liar.blobs[sha256] = b"PK other bytes"
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    await judge(node, peer_id, Code.PEER_BYTES)
    assert await versions(node, source) == {}
    # Nothing of that is the publisher's fault.
    status = await node.get("source-status", sourceId=source)
    assert not status["failures"]
    assert not await node.get("quarantine")


async def test_the_bytes_come_from_the_publisher_when_the_peer_lies(node: ServedNode, liar: FakePeer):
    async with FakePublisherV2() as publisher:
        await offer(liar, publisher)
        source = await register(node, publisher)
        (sha256,) = liar.blobs
        liar.blobs[sha256] = b"PK other bytes"
        peer_id = await befriend(node, liar, first="peers")
        await read(node, peer_id)
    await judge(node, peer_id, Code.PEER_BYTES)
    # Of a v2 publisher only its catalogue says where the zip is.
    assert await versions(node, source) == {"one": ["1.0"]}


async def test_a_proof_that_leads_elsewhere_is_a_lie(node: ServedNode, liar: FakePeer):
    async with FakePublisherV2() as publisher:
        await offer(liar, publisher)
        source = await register(node, publisher)
    liar.spoil_proofs = True
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    await judge(node, peer_id, Code.LOG_INCLUSION)
    assert await versions(node, source) == {}


async def test_a_bundle_about_another_release_is_a_lie(node: ServedNode, liar: FakePeer):
    async with FakePublisherV2() as publisher:
        await offer(liar, publisher)
        second = publisher.add_plugin("one", "1.1")
        liar.offer(publisher, "one", "1.1", second)
        source = await register(node, publisher)
    old = liar.show_bundle(source, "one", "1.0")
    liar.answers[f"/federation/proof?source={source}&plugin=one&version=1.1"] = old
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    await judge(node, peer_id, Code.LEAF_MISMATCH)
    assert await versions(node, source) == {}


async def test_what_is_shown_for_a_release_is_bounded(node: ServedNode, liar: FakePeer):
    async with FakePublisherV2() as publisher:
        await offer(liar, publisher)
        source = await register(node, publisher)
    shown = parse_bundle(liar.show_bundle(source, "one", "1.0"))
    endless = replace(shown, signature=SignedMessage(b"x" * MOST_OFFER_BYTES, b""))
    liar.answers[f"/federation/proof?source={source}&plugin=one&version=1.0"] = write_bundle(endless)
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    (want,) = await wants(node, peer_id)
    assert want.code == "peer_answer"
    assert await versions(node, source) == {}


async def test_invented_sources_do_not_fill_the_list(node: ServedNode, liar: FakePeer):
    key = SigningKey.generate().public_key
    for number in range(MOST_PROPOSALS + 50):
        name = f"invented-{number}@plugins.example.com"
        leaf = SourceLeaf(at=1, source=name, instance_url="https://plugins.example.com", key=key, state="registered")
        liar.log(leaf)
    peer_id = await befriend(node, liar)
    await read(node, peer_id, times=2)
    assert len(await node.get("proposals")) == MOST_PROPOSALS
    # The rest of its log is read all the same, and the feed is not flooded either.
    assert (await peer_of(node, peer_id)).lag == 0
    assert (await node.actions()).count("sources_proposed") <= 5
    assert await node.get("sources") == []


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda publisher: {"sign_with": SigningKey.generate()}, "release_key_unknown"),
        (lambda publisher: {"sign_with": publisher.revoke_release_key()}, "release_key_revoked"),
        (lambda publisher: {"content": b"PK something else"}, "leaf_mismatch"),
        (lambda publisher: {"statement": {"source": "eve@elsewhere.example"}}, "statement_mismatch"),
    ],
)
async def test_what_the_publisher_did_not_sign_is_not_taken(
    node: ServedNode, liar: FakePeer, spoil: Callable[[FakePublisherV2], dict[str, object]], code: str
):
    async with FakePublisherV2(now=int(node.clock())) as publisher:
        content = publisher.add_plugin("one", "1.0", **spoil(publisher))  # type: ignore[arg-type]  # by name
        liar.keep(publisher)
        liar.offer(publisher, "one", "1.0", content)
        source = await register(node, publisher)
    peer_id = await befriend(node, liar)
    await read(node, peer_id)
    assert await versions(node, source) == {}
    peer = await peer_of(node, peer_id)
    if code == Code.LEAF_MISMATCH.slug:
        assert peer.state_code == code
    else:
        # The peer may have believed it by a key that is not ours; the release is refused, not the peer.
        (want,) = await wants(node, peer_id)
        assert (want.code, want.due_at, peer.state) == (code, None, PeerState.ACTIVE)
        assert "peer_release_refused" in await node.actions()
