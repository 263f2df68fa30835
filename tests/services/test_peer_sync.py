"""Nodes that mirror each other, over real HTTP: what one took from a publisher the others take from it, and no lies."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from tests.support.mesh import befriend, download, follow, peer_of, read, register, sync, versions, wants
from tests.support.network import ServedNode, make_peers, serve_node
from tests.support.site import Time

from pfn.domain.peer import PeerState
from pfn.domain.schedule import Result, Work
from pfn.domain.verification import VerificationType
from pfn.protocol.errors import PfnError
from pfn.services.log_check import check_log
from pfn.services.peer_mirror import PeerMirrorService
from pfn.storage.source import change_source
from pfn.testing.peer import FakePeer
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def a(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "a", clock=clock) as node:
        yield node


@pytest.fixture
async def b(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "b", clock=clock) as node:
        yield node


@pytest.fixture
async def c(tmp_path: Path, clock: Time) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "c", clock=clock) as node:
        yield node


Offering: TypeAlias = tuple[ServedNode, int, dict[str, str]]


@pytest.fixture
async def offering(a: ServedNode, b: ServedNode) -> AsyncIterator[Offering]:
    """A node with a peer that has two plugins of a v2 source, ann, and one of a v1 source, bob; nothing is read yet."""
    async with FakePublisherV2("ann") as signed, FakePublisher("bob") as plain:
        signed.add_plugin("one", "1.0", tags=("forms",))
        signed.add_plugin("two", "1.0", tags=("seo",))
        plain.add_plugin("plain", "1.0", tags=("seo",))
        names = {"ann": await follow(a, signed), "bob": await follow(a, plain)}
        for publisher in (signed, plain):
            await register(b, publisher)
        peer = await befriend(b, a, take="nothing")
        yield b, peer, names


@pytest.mark.parametrize("generation", [1, 2])
async def test_a_plugin_verifies_the_same_over_two_hops(a: ServedNode, b: ServedNode, c: ServedNode, generation: int):
    made = FakePublisher() if generation == 1 else FakePublisherV2()
    async with made as publisher:
        zips = {version: publisher.add_plugin("one", version, tags=("forms",)) for version in ("1.0",)}
        source = await follow(a, publisher)
        zips["1.1"] = publisher.add_plugin("one", "1.1", tags=("forms",))
        await sync(a, source)
        for node in (b, c):
            await register(node, publisher)
        fetched = len(publisher.requests)
    # From here on the publisher is gone; b has never spoken to it, c neither.
    for node, other in ((b, a), (c, b)):
        peer = await befriend(node, other, first="peers")
        assert (await read(node, peer)).result is Result.CHANGED
        assert await versions(node, source) == {"one": ["1.0", "1.1"]}
    assert len(publisher.requests) == fetched
    verdicts = []
    for node in (a, c):
        verdict = await node.get("verify", source=source, plugin="one", version="1.1")
        assert verdict["valid"], verdict["checks"]
        assert await download(node, source, "one", "1.1") == zips["1.1"]
        verdicts.append(verdict)
    same = ("signature_level", "key", "key_fingerprint", "signature", "signed_message", "digests")
    assert [verdicts[0][name] for name in same] == [verdicts[1][name] for name in same]
    assert {check["name"]: check["passed"] for check in verdicts[0]["checks"]} == {
        check["name"]: check["passed"] for check in verdicts[1]["checks"]
    }
    assert (await a.get("state")) | {"log_size": 0} == (await c.get("state")) | {"log_size": 0}


async def test_two_nodes_at_once_come_to_hold_the_same(tmp_path: Path, clock: Time, make_database: Callable[[], str]):
    """On both engines: both read, take, sync, witness and accuse at the same time."""
    async with (
        serve_node(tmp_path / "d", clock=clock, database_url=make_database()) as d,
        serve_node(tmp_path / "e", clock=clock, database_url=make_database()) as e,
        FakePublisherV2("ann", now=int(clock.now)) as ann,
        FakePublisher("bob") as bob,
    ):
        for publisher in (ann, bob):
            for number in range(5):
                publisher.add_plugin(f"{publisher.username}-{number}", "1.0")
        signed, plain = await follow(d, ann), await follow(e, bob)
        await register(e, ann)
        await register(d, bob)
        at_d, at_e = await make_peers(d, e)
        ann.yank("ann-1", "1.0")
        for number in range(5):
            ann.add_plugin(f"ann-{number}", "1.1")
        await asyncio.gather(sync(d, signed), read(d, at_d), read(e, at_e))
        for _ in range(2):
            await asyncio.gather(read(d, at_d), read(e, at_e))
        for node, peer in ((d, at_d), (e, at_e)):
            assert not await wants(node, peer)
            assert set(await versions(node, signed)) == {f"ann-{number}" for number in range(5)}
            assert set(await versions(node, plain)) == {f"bob-{number}" for number in range(5)}
            assert (await peer_of(node, peer)).equal is True
        await asyncio.gather(d.services.cosigning.ask(at_d), e.services.cosigning.ask(at_e))
        for node, peer in ((d, at_d), (e, at_e)):
            assert (await peer_of(node, peer)).cosigned_size == (await node.get("log"))["size"]
        ann.renew_catalog(skip=-1)
        assert (await d.services.syncs.run_now(signed)).sync.code == "catalog_fork"
        await asyncio.gather(read(d, at_d), read(e, at_e))
        for node in (d, e):
            (row,) = await node.get("evidence", subject=signed)
            assert row["kind"] == "catalog_fork"
        await asyncio.gather(read(d, at_d), read(e, at_e))
        states = [await node.get("state") for node in (d, e)]
        assert states[0]["digest"] == states[1]["digest"]
        assert states[0]["count"] == 15
        for node, peer in ((d, at_d), (e, at_e)):
            await check_log(node.database, node.services.log.key, None, lambda _done, _size: None)
            assert (await peer_of(node, peer)).state is PeerState.ACTIVE


async def test_what_comes_back_ends_the_loop(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        await register(b, publisher)
        from_a, from_b = await befriend(b, a), await befriend(a, b)
        for _ in range(3):
            await read(b, from_a)
            await read(a, from_b)
        sizes = [await node.get("log") for node in (a, b)]
        for _ in range(3):
            assert (await read(b, from_a)).result is Result.UNCHANGED
            assert (await read(a, from_b)).result is Result.UNCHANGED
        assert [await node.get("log") for node in (a, b)] == sizes
    assert await versions(a, source) == await versions(b, source) == {"one": ["1.0"]}
    assert not await wants(a, from_b)
    for node, peer in ((a, from_b), (b, from_a)):
        assert (await peer_of(node, peer)).equal is True


async def test_a_source_nobody_approved_is_a_proposal(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        zipped = publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
    peer = await befriend(b, a)
    await read(b, peer, times=2)
    assert await versions(b, source) == {}
    (row,) = await b.get("proposals")
    assert (row["source"], row["peer"], row["public_key"]) == (source, peer, publisher.public_key_pem)
    assert (await b.actions()).count("sources_proposed") == 1
    # The publisher is gone: what it signed is taken all the same, and served; it has not proven its key to this node.
    answer = await b.post("proposals/approve", source=source)
    assert answer.json()["status"] == "pending", answer.text
    await read(b, peer)
    assert await download(b, source, "one", "1.0") == zipped
    assert await b.get("proposals") == []
    (listed,) = await b.get("sources")
    assert listed["status"] == "pending"
    assert (await b.get("verify", source=source, plugin="one"))["valid"]


async def test_a_v1_source_that_was_approved_is_first_seen_at_the_peer(a: ServedNode, b: ServedNode):
    async with FakePublisher() as publisher:
        zipped = publisher.add_plugin("one", "1.0", description="Café \u2028 & co.")
        source = await follow(a, publisher)
    peer = await befriend(b, a)
    await read(b, peer)
    await b.services.proposals.approve("test", source)
    await read(b, peer)
    assert await download(b, source, "one", "1.0") == zipped
    verdict = await b.get("verify", source=source, plugin="one")
    assert (verdict["valid"], verdict["signature_level"]) == (True, "metadata")


async def test_a_refused_proposal_does_not_come_back(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
    peer = await befriend(b, a)
    await read(b, peer)
    assert (await b.post("proposals/refuse", source=source)).status_code == 200
    assert (await b.post("proposals/refuse", source=source)).json()["code"] == "proposal_unknown"
    await b.post(f"peers/{peer}/policy", policy={"take": "all", "first": "peers"})
    await read(b, peer)
    assert (await peer_of(b, peer)).read_to > 0
    assert await b.get("proposals") == []


async def test_peers_that_name_different_keys_leave_it_to_a_person(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher, FakePeer() as other:
        source = await follow(a, publisher)
        right = await befriend(b, a)
        publisher.start_over()
        other.keep(publisher)
        wrong = await befriend(b, other)
        for peer in (right, wrong):
            await read(b, peer)
        answer = await b.post("proposals/approve", source=source)
        assert answer.json()["code"] == "wrong_state"
        assert (await b.post("proposals/approve", source=source, peer=right)).status_code == 200


async def test_a_setting_lets_peers_sources_in(tmp_path: Path, a: ServedNode, clock: Time):
    async with FakePublisherV2("ann") as signed, FakePublisher("bob") as plain:
        signed.add_plugin("one", "1.0")
        plain.add_plugin("two", "1.0")
        ann, bob = await follow(a, signed), await follow(a, plain)
    async with serve_node(tmp_path / "b", clock=clock, accept_peer_sources=True) as b:
        peer = await befriend(b, a)
        await read(b, peer, times=2)
        assert {row["id"] for row in await b.get("sources")} == {ann, bob}
        assert await versions(b, ann) == {"one": ["1.0"]}
        # Nobody looked at bob's key, and its signatures cover no bytes: it must prove its key to this node first.
        assert await versions(b, bob) == {}
        (want,) = await wants(b, peer)
        assert want.code == "source_not_verified"


async def test_not_every_source_a_peer_makes_up_is_let_in(tmp_path: Path, a: ServedNode, clock: Time):
    async with FakePublisherV2("ann") as ann, FakePublisherV2("bob") as bob, FakePublisherV2("eve") as eve:
        for publisher in (ann, bob, eve):
            await follow(a, publisher)
        async with serve_node(tmp_path / "b", clock=clock, accept_peer_sources=True, unproven_sources=2) as b:
            peer = await befriend(b, a)
            await read(b, peer, times=2)
            let_in = {row["id"] for row in await b.get("sources")}
            waiting = {row["source"] for row in await b.get("proposals")}
            assert (len(let_in), len(waiting), let_in & waiting) == (2, 1, set())
            # Who proves its key makes room.
            proven = next(iter(let_in))
            assert (await b.post("verify-source", sourceId=proven)).status_code == 200
            clock.now += 3600
            await read(b, peer, times=2)
            assert {row["id"] for row in await b.get("sources")} == let_in | waiting
            assert await b.get("proposals") == []


async def test_a_source_that_is_registered_later_is_found_in_what_was_read(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        peer = await befriend(b, a)
        await read(b, peer)
        assert (await peer_of(b, peer)).lag == 0
        await register(b, publisher)
        assert (await peer_of(b, peer)).lag > 0
    await read(b, peer)
    assert await versions(b, source) == {"one": ["1.0"]}


@pytest.mark.parametrize(
    ("policy", "taken"),
    [
        ({}, {"one", "two", "plain"}),
        ({"take": "nothing"}, set()),
        ({"take": "chosen", "sources": ["ann"]}, {"one", "two"}),
        ({"take": "chosen", "sources": ["bob"]}, {"plain"}),
        ({"take": "chosen", "tags": ["SEO"]}, {"two"}),
        ({"take": "chosen", "sources": ["bob"], "tags": ["forms"]}, {"one", "plain"}),
        ({"take": "chosen"}, set()),
        ({"minimum_level": "artifact"}, {"one", "two"}),
        ({"minimum_level": "metadata"}, {"one", "two", "plain"}),
        ({"minimum_trust": 0.9}, set()),
    ],
    ids=lambda one: str(sorted(one) if isinstance(one, set) else one),
)
async def test_what_a_policy_takes(policy: dict[str, object], taken: set[str], offering: Offering):
    b, peer, names = offering
    if "sources" in policy:
        policy = {**policy, "sources": [names[name] for name in policy["sources"]]}  # type: ignore[attr-defined]  # a list
    answer = await b.post(f"peers/{peer}/policy", policy=policy)
    assert answer.status_code == 200, answer.text
    await read(b, peer)
    found = {slug for source in names.values() for slug in await versions(b, source)}
    assert found == taken


async def test_a_wider_policy_goes_through_the_kept_log_again(offering: Offering):
    b, peer, names = offering
    await read(b, peer)
    assert await versions(b, names["ann"]) == {}
    await b.post(f"peers/{peer}/policy", policy={"take": "all"})
    await read(b, peer)
    assert set(await versions(b, names["ann"])) == {"one", "two"}


async def test_trust_that_is_earned_later_lets_wait_what_waits(offering: Offering):
    b, peer, names = offering
    await b.post(f"peers/{peer}/policy", policy={"take": "all", "minimum_trust": 0.01})
    await read(b, peer)
    found = await wants(b, peer)
    assert {want.code for want in found} == {"source_gated"}
    await b.services.verifications.verify(names["ann"], VerificationType.PERIODIC, "node")
    await b.services.health.probe(names["ann"])
    async with b.database.write() as connection:
        await change_source(connection, names["ann"], trust_score=0.5)
    b.clock.now += 86_400
    await read(b, peer)
    assert set(await versions(b, names["ann"])) == {"one", "two"}


async def test_a_publisher_that_is_away_is_fed_through_a_peer(a: ServedNode, b: ServedNode):
    async with FakePublisherV2(now=int(a.clock())) as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        await follow(b, publisher)
        publisher.add_plugin("one", "1.1")
        publisher.add_plugin("one", "1.2")
        publisher.yank("one", "1.2", "It loses data.")
        await sync(a, source)
    failed = await b.services.syncs.run_now(source)
    assert failed.sync.code == "source_unreachable"
    assert await versions(b, source) == {"one": ["1.0"]}
    peer = await befriend(b, a)
    await read(b, peer)
    assert await versions(b, source) == {"one": ["1.0", "1.1"]}
    row = (await b.get("plugins", source=source))["plugins"][0]
    assert row["version"] == "1.1"


async def test_a_revocation_and_a_yank_arrive_through_a_peer(a: ServedNode, b: ServedNode):
    now = int(a.clock())
    async with FakePublisherV2(now=now) as publisher:
        publisher.add_plugin("good", "1.0")
        publisher.add_plugin("bad", "1.0")
        source = await follow(a, publisher)
        await follow(b, publisher)
        peer = await befriend(b, a)
        await read(b, peer)
        publisher.yank("bad", "1.0", "It loses data.")
        publisher.revoke_release_key(compromised_since=now - 10)
        publisher.add_plugin("good", "1.0", description="Does one thing.")
        await sync(a, source)
    assert set(await versions(b, source)) == {"bad", "good"}
    await read(b, peer)
    answer = await b.http.get("/federation/download", params={"source": source, "plugin": "bad"})
    assert answer.json()["code"] in {"release_blocked", "release_yanked"}
    actions = await b.actions()
    assert {"key_revoked_by_publisher", "release_yanked"} <= set(actions)
    documents = [await node.get("key-documents", source=source) for node in (a, b)]
    assert documents[0] == documents[1]
    catalogs = [(await node.http.get("/federation/catalog", params={"source": source})).content for node in (a, b)]
    assert catalogs[0] == catalogs[1]


async def test_a_yanked_release_arrives_as_one(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        publisher.add_plugin("one", "1.1")
        await sync(a, source)
        publisher.yank("one", "1.1")
        await sync(a, source)
        await register(b, publisher)
    peer = await befriend(b, a)
    await read(b, peer)
    (row,) = (await b.get("plugins", source=source))["plugins"]
    assert row["version"] == "1.0"
    answer = await b.http.get("/federation/download", params={"source": source, "plugin": "one", "version": "1.1"})
    assert answer.headers["X-Pfn-Yanked"] == "It loses data."
    digests = [(await node.get("state", source=source))["digest"] for node in (a, b)]
    assert digests[0] == digests[1]


async def test_an_older_statement_is_vouched_for_by_the_newer_ones(a: ServedNode, b: ServedNode):
    """Its release key is retired; the next statement, by the present key, names it."""
    now = int(a.clock())
    async with FakePublisherV2(now=now) as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        publisher.add_plugin("one", "1.1")
        await sync(a, source)
        publisher.rotate_release_key(overlap=5)
        publisher.add_plugin("one", "2.0")
        await sync(a, source)
        await register(b, publisher)
    a.clock.now += 10
    peer = await befriend(b, a)
    await read(b, peer)
    a.clock.now += 3600
    await read(b, peer)
    a.clock.now += 3600
    await read(b, peer)
    assert await versions(b, source) == {"one": ["1.0", "1.1", "2.0"]}
    for version in ("1.0", "1.1", "2.0"):
        verdict = await b.get("verify", source=source, plugin="one", version=version)
        assert verdict["valid"], verdict["checks"]


async def test_reading_goes_on_where_it_was_cut_short(b: ServedNode):
    async with FakePeer() as peer:
        for number in range(1_000):
            peer.log(b'{"t":"test","v":{"number":%d}}' % number)
        peer.withhold("tile/entries/002")
        peer_id = await befriend(b, peer)
        with pytest.raises(PfnError):
            await read(b, peer_id)
        found = await peer_of(b, peer_id)
        assert (found.size, found.read_to, found.lag) == (1_000, 512, 488)
        assert (await b.get(f"peers/{peer_id}"))["lag"] == 488
        peer.reveal()
        peer.requests.clear()
        await read(b, peer_id)
        assert (await peer_of(b, peer_id)).lag == 0
        fetched = [path for path in peer.requests if "/entries/" in path]
        assert fetched == ["/log/tile/entries/002", "/log/tile/entries/003.p/232"]


async def test_what_is_wanted_survives_that_its_taker_dies(
    a: ServedNode, tmp_path: Path, clock: Time, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("pfn.services.peer_mirror.BATCH", 2)
    async with FakePublisherV2() as publisher:
        for number in range(5):
            publisher.add_plugin(f"plugin-{number}", "1.0")
        source = await follow(a, publisher)
        async with serve_node(tmp_path / "b", clock=clock) as b:
            await register(b, publisher)
            peer = await befriend(b, a)
            take, calls = PeerMirrorService.take_batch, []

            async def die(*arguments: Any) -> int | None:
                calls.append(1)
                if len(calls) == 3:
                    raise asyncio.CancelledError
                return await take(*arguments)

            monkeypatch.setattr(PeerMirrorService, "take_batch", die)
            with pytest.raises(asyncio.CancelledError):
                await read(b, peer)
            assert len(await versions(b, source)) == 4
            port = int(b.url.rpartition(":")[2])
        monkeypatch.setattr(PeerMirrorService, "take_batch", take)
        async with serve_node(tmp_path / "b", clock=clock, port=port) as b:
            assert len(await wants(b, peer)) == 1
            await read(b, peer)
            assert len(await versions(b, source)) == 5
            assert not await wants(b, peer)


async def test_a_run_that_fails_before_it_begins_gives_its_lease_back(b: ServedNode, monkeypatch: pytest.MonkeyPatch):
    async def fail(*arguments: Any, **options: Any) -> None:
        raise OSError

    async with FakePeer() as peer:
        peer_id = await befriend(b, peer)
        monkeypatch.setattr("pfn.services.peer_sync.hasten_wants", fail)
        with pytest.raises(OSError):
            await b.services.peer_syncs.run_now(peer_id)
    due = await b.services.schedule.find(Work.PEER, str(peer_id))
    assert due is not None
    assert due.owner is None


async def test_a_suspended_source_is_taken_from_nobody(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        await register(b, publisher)
    await b.services.sources.suspend("test", source, "We look into it.")
    peer = await befriend(b, a)
    await read(b, peer)
    (want,) = await wants(b, peer)
    assert (want.code, want.due_at) == ("source_suspended", int(b.clock()) + 86_400)
    await b.services.sources.resume("test", source)
    await b.services.peer_syncs.run_now(peer)
    assert await versions(b, source) == {"one": ["1.0"]}


async def test_two_nodes_that_differ_say_so_when_neither_catches_up(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        await register(b, publisher)
        peer = await befriend(b, a)
        await read(b, peer, times=2)
        assert (await peer_of(b, peer)).equal is True
        await follow(b, publisher)
        publisher.add_plugin("two", "1.0")
        await sync(b, source)
        await read(b, peer)
        assert (await peer_of(b, peer)).equal is None
        b.clock.now += 601
        await read(b, peer)
        assert (await peer_of(b, peer)).equal is False
        assert (await b.actions()).count("peer_unequal") == 1
        await sync(a, source)
    await read(b, peer)
    assert (await peer_of(b, peer)).equal is True
    assert (await b.actions()).count("peer_equal") == 1


async def test_a_release_that_the_known_catalogue_says_nothing_of_brings_the_newer_one(b: ServedNode):
    """The peer's log does not speak of the catalogue; without it the release could be proven to nobody."""
    async with FakePeer() as peer:
        async with FakePublisherV2() as publisher:
            publisher.add_plugin("one", "1.0")
            source = await follow(b, publisher)
            content = publisher.add_plugin("two", "1.0")
            peer.keep(publisher)
            peer.offer(publisher, "two", "1.0", content)
        await read(b, await befriend(b, peer))
    proof = await b.get("proof", source=source, plugin="two", version="1.0")
    assert json.loads(base64.b64decode(proof["catalog"]["payload"]))["sequence"] == 3


async def catch_up(b: ServedNode, peer_id: int, limit: int) -> list[tuple[int, int]]:
    """Do runs until nothing is left to do, and give (entries to read, releases to take) after each."""
    seen = []
    for _ in range(limit):
        await b.services.peer_syncs.run_now(peer_id)
        row = await b.get(f"peers/{peer_id}")
        seen.append((row["lag"], row["missing"]))
        due = await b.services.schedule.find(Work.PEER, str(peer_id))
        assert due is not None
        # While there is more to do it is due at once, whatever the pace says.
        assert (due.due_at <= b.clock()) == (seen[-1] != (0, 0))
        if seen[-1] == (0, 0):
            return seen
    raise AssertionError(f"it did not catch up: {seen}")


async def offer_many(peer: FakePeer, publisher: FakePublisherV2, count: int) -> str:
    zips = {f"plugin-{number:05}": b"" for number in range(count)}
    for slug in zips:
        zips[slug] = publisher.add_plugin(slug, "1.0", listed=False)
    publisher.renew_catalog()
    source = peer.keep(publisher)
    for slug, content in zips.items():
        peer.offer(publisher, slug, "1.0", content)
    return source


async def test_catching_up_shows_how_far_it_is(b: ServedNode, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pfn.services.peer_sync.MOST_READS", 3)
    monkeypatch.setattr("pfn.services.peer_sync.MOST_TAKES", 2)
    monkeypatch.setattr("pfn.services.peer_mirror.BATCH", 10)
    async with FakePeer() as peer, FakePublisherV2() as publisher:
        for number in range(2_000):
            peer.log(b'{"t":"test","v":{"number":%d}}' % number)
        source = await offer_many(peer, publisher, 50)
        await register(b, publisher)
        peer_id = await befriend(b, peer, first="peers")
        seen = await catch_up(b, peer_id, 20)
    lags = [lag for lag, _ in seen]
    assert lags == sorted(lags, reverse=True)
    assert lags[:2] == [2_051 - 768, 2_051 - 1_536]
    assert [missing for lag, missing in seen if lag == 0] == [30, 10, 0]
    assert (await b.get("state", source=source))["count"] == 50


@pytest.mark.slow
@pytest.mark.timeout(1800)
async def test_ten_thousand_releases_are_caught_up_with(b: ServedNode):
    async with FakePeer() as peer, FakePublisherV2() as publisher:
        source = await offer_many(peer, publisher, 10_000)
        await register(b, publisher)
        peer_id = await befriend(b, peer, first="peers")
        seen = await catch_up(b, peer_id, 10)
    missing = [count for _, count in seen]
    assert missing == sorted(missing, reverse=True)
    assert len(missing) > 2
    assert (await b.get("state", source=source))["count"] == 10_000
