"""Evidence among nodes: found when they compare, proven to each, acted on by all, told once; and nothing false."""

import base64
from collections.abc import AsyncIterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from tests.support.mesh import befriend, download, follow, peer_of, read, register, sync, versions, wants
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time

from pfn.domain.peer import PeerState
from pfn.protocol.dsse import MAX_ENVELOPE_BYTES, add_signatures, write_envelope
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.evidence import EvidenceNotice
from pfn.protocol.log.checkpoint import Checkpoint, sign_checkpoint
from pfn.protocol.log.note import NoteSigner, write_note
from pfn.storage.log import count_leaves, list_leaves
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


async def gates(node: ServedNode, source: str) -> tuple[list[str], float]:
    (row,) = [row for row in await node.get("sources") if row["id"] == source]
    return row["gates"], row["trust_score"]


async def evidence_leaves(node: ServedNode) -> int:
    async with node.database.read() as connection:
        leaves = await list_leaves(connection, 0, await count_leaves(connection))
    return sum(b'"t":"evidence"' in leaf for leaf in leaves)


async def test_two_zips_for_one_version_shown_to_two_nodes_reach_a_third(a: ServedNode, b: ServedNode, c: ServedNode):
    async with FakePublisherV2() as publisher:
        first = publisher.add_plugin("one", "1.0", description="For a.")
        source = await follow(a, publisher)
        await follow(c, publisher)
        publisher.statements.clear()
        second = publisher.add_plugin("one", "1.0", description="For b.")
        await follow(b, publisher)
        assert first != second
    ab, bc, cb = await befriend(a, b), await befriend(b, c), await befriend(c, b)
    await befriend(b, a)
    await read(a, ab)
    assert await gates(a, source) == (["equivocation"], 0)
    # It was sent to b at once; c hears of it from b, by b's log or by b's next run.
    assert await gates(b, source) == (["equivocation"], 0)
    assert (await gates(c, source))[0] == []
    await read(b, bc)
    assert await gates(c, source) == (["equivocation"], 0)
    for _ in range(2):
        await read(a, ab)
        await read(b, bc)
        await read(c, cb)
    for node in (a, b, c):
        (row,) = await node.get("evidence", subject=source)
        assert row["kind"] in {"statement_fork", "release_conflict"}
        assert await evidence_leaves(node) == 1
        assert (await node.actions()).count("conflict") == 1
        assert (await node.services.source_reports.report(source)).trust.score == 0
    # The first bytes stay, each node's own.
    assert await download(a, source, "one", "1.0") == first
    assert await download(b, source, "one", "1.0") == second


async def test_a_conflict_is_also_heard_of_from_the_log(a: ServedNode, b: ServedNode):
    """Whoever was away when it was sent finds it in the log."""
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        await follow(b, publisher)
        publisher.renew_catalog(skip=-1)
        outcome = await a.services.syncs.run_now(source)
        assert outcome.sync.code == "catalog_fork"
    ba = await befriend(b, a)
    await read(b, ba)
    assert await gates(b, source) == (["equivocation"], 0)
    assert (await b.get("evidence", subject=source))[0]["kind"] == "catalog_fork"


def posted(kind: str, subject: str, first: bytes, second: bytes) -> dict[str, Any]:
    sides = (base64.b64encode(one).decode() for one in (first, second))
    return {"kind": kind, "subject": subject, **dict(zip(("first", "second"), sides, strict=True))}


async def test_what_does_not_hold_changes_nothing(a: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        publisher.renew_catalog(skip=-1, sign_with=SigningKey.generate())
    sides = [write_envelope(one) for one in publisher.catalogs[-2:]]
    before = await a.get("log"), await a.actions()
    for body, code in (
        (posted("catalog_fork", source, *sides), "evidence_invalid"),
        (posted("catalog_fork", source, sides[0], sides[0]), "evidence_invalid"),
        (posted("release_conflict", source, b"SHA-256 aa\n", b"SHA-256 bb\n"), "evidence_invalid"),
        (posted("catalog_fork", "eve@elsewhere.example", *sides), "source_unknown"),
        (posted("log_fork", "elsewhere.example/pfn", b"a", b"b"), "log_unknown"),
        ({**posted("catalog_fork", source, *sides), "first": "***"}, "evidence_invalid"),
        ({**posted("catalog_fork", source, *sides), "first": "/w=="}, "evidence_invalid"),
        ({"kind": "catalog_fork"}, "invalid_field"),
    ):
        answer = await a.http.post("/federation/evidence", json=body)
        assert answer.json()["code"] == code, answer.text
    assert (await a.get("log"), await a.actions()) == before
    assert await gates(a, source) == ([], pytest.approx((await gates(a, source))[1]))


def fork_note(signer: NoteSigner, root: bytes) -> bytes:
    return write_note(sign_checkpoint(Checkpoint(signer.name, 9, root * 32), signer))


async def test_two_trees_of_this_very_node_halt_its_log(a: ServedNode):
    signer = a.prepared.log
    notes = [fork_note(signer, root) for root in (b"a", b"b")]
    answer = await a.http.post("/federation/evidence", json=posted("log_fork", signer.name, *notes))
    assert answer.json()["new"] is True, answer.text
    assert "two different trees" in str(await a.services.log.halted())
    assert "log_halted" in await a.actions()
    # Whoever looked and resumed it is not stopped by the same two again.
    await a.services.log.resume("operator")
    answer = await a.http.post("/federation/evidence", json=posted("log_fork", signer.name, *notes[::-1]))
    assert answer.json()["new"] is False, answer.text
    assert await a.services.log.halted() is None
    body = posted("log_fork", signer.name, notes[0], fork_note(signer, b"c"))
    assert (await a.http.post("/federation/evidence", json=body)).json()["new"] is True
    assert await a.services.log.halted() is not None


async def test_other_bytes_of_a_v1_source_are_a_dispute_and_no_proof(a: ServedNode, b: ServedNode):
    async with FakePublisher() as publisher:
        first = publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        publisher.replace_zip("one", "1.0", publisher.add_plugin("one", "1.0", description="Other words."))
        publisher.add_plugin("two", "1.0")
        await follow(b, publisher)
        ab = await befriend(a, b)
        await read(a, ab)
        assert (await gates(a, source))[0] == ["first_seen_conflict"]
        (row,) = await a.get("evidence", subject=source)
        assert row["kind"] == "first_seen_conflict"
        assert await download(a, source, "one", "1.0") == first
        assert not await wants(a, ab)
        # It is no entry of the log, nothing is sent, and the rest of the source is taken as before.
        assert await evidence_leaves(a) == 0
        assert (await gates(b, source))[0] == []
        assert set(await versions(a, source)) == {"one", "two"}
        await sync(a, source)
    (gate,) = (await a.services.source_reports.report(source)).trust.gates
    assert gate.cap == 0.5
    answer = await a.post("lift-gate", sourceId=source)
    assert answer.status_code == 200
    await a.post(f"peers/{ab}/policy", policy={"take": "all", "first": "peers"})
    await read(a, ab)
    assert (await gates(a, source))[0] == []


async def test_a_peer_that_was_sent_evidence_is_not_sent_it_again(a: ServedNode):
    async with FakePublisherV2() as publisher, FakePeer() as peer:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        peer_id = await befriend(a, peer)
        await read(a, peer_id)
        assert not peer.evidence
        publisher.renew_catalog(skip=-1)
        await a.services.syncs.run_now(source)
        for _ in range(3):
            await read(a, peer_id)
        (sent,) = peer.evidence
    assert (sent["kind"], sent["subject"]) == ("catalog_fork", source)
    sides = {base64.b64decode(sent[name]) for name in ("first", "second")}
    assert sides == {write_envelope(one) for one in publisher.catalogs[-2:]}
    assert (await peer_of(a, peer_id)).state is PeerState.ACTIVE


async def test_evidence_in_other_clothes_is_the_same_evidence(a: ServedNode):
    """Anybody can add a signature to an envelope, and swap the sides."""
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        publisher.renew_catalog(skip=-1)
    one, two = publisher.catalogs[-2:]
    fresh = []
    for sides in ((one, two), (two, one), (add_signatures(one, [SigningKey.generate()]), two)):
        body = posted("catalog_fork", source, *map(write_envelope, sides))
        answer = await a.http.post("/federation/evidence", json=body)
        assert answer.status_code == 200, answer.text
        fresh.append(answer.json()["new"])
    assert fresh == [True, False, False]
    assert await evidence_leaves(a) == 1
    # Gated by hand-brought evidence, it is lifted by hand, and the same changes nothing any more.
    await a.post("lift-gate", sourceId=source)
    await a.http.post("/federation/evidence", json=posted("catalog_fork", source, *map(write_envelope, (one, two))))
    assert (await gates(a, source))[0] == []


async def test_a_source_that_is_registered_later_is_gated_by_what_its_peers_know(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        publisher.renew_catalog(skip=-1)
        await a.services.syncs.run_now(source)
        ba = await befriend(b, a)
        await read(b, ba)
        await register(b, publisher)
        await read(b, ba)
    assert (await gates(b, source))[0] == ["equivocation"]
    assert await versions(b, source) == {}


def pad(side: bytes, length: int) -> bytes:
    """Make a signed document as long as it may be: nobody signs the white space in an envelope."""
    return side + b"\n" * (length - len(side))


async def test_evidence_as_long_as_documents_may_be_is_taken_and_sent(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher, FakePeer() as peer:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        await register(b, publisher)
        publisher.renew_catalog(skip=-1)
        sides = [pad(write_envelope(one), MAX_ENVELOPE_BYTES) for one in publisher.catalogs[-2:]]
        answer = await a.http.post("/federation/evidence", json=posted("catalog_fork", source, *sides))
        assert answer.status_code == 200, answer.text
        await read(a, await befriend(a, peer))
        (sent,) = peer.evidence
        assert [base64.b64decode(sent[name]) for name in ("first", "second")] == sides
    await read(b, await befriend(b, a))
    assert (await gates(b, source))[0] == ["equivocation"]


async def test_what_is_too_long_to_send_is_found_in_the_log(a: ServedNode, b: ServedNode):
    async with FakePublisherV2() as publisher, FakePeer() as peer:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        await register(b, publisher)
        for day in range(1, 4):
            publisher.renew_catalog(skip=-1, lifetime=day * 86_400)
        one, *others = [pad(write_envelope(one), 9 * MAX_ENVELOPE_BYTES).decode() for one in publisher.catalogs[-4:]]
        for other in others:
            notice = EvidenceNotice(kind="catalog_fork", subject=source, first=one, second=other)
            assert await a.services.evidence.receive(notice)
        await read(a, await befriend(a, peer))
        assert not peer.evidence
    # Of three pairs as long as these, one fills an answer.
    (row,) = await a.get("evidence", subject=source)
    assert row["second"] == others[-1]
    await read(b, await befriend(b, a))
    assert (await gates(b, source))[0] == ["equivocation"]


async def test_who_contradicts_itself_without_end_fills_nothing(a: ServedNode, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pfn.services.evidence.MOST_PAIRS", 3)
    async with FakePublisherV2() as publisher:
        publisher.add_plugin("one", "1.0")
        source = await follow(a, publisher)
        for day in range(1, 4):
            publisher.renew_catalog(skip=-1, lifetime=day * 86_400)
    pairs = list(combinations(map(write_envelope, publisher.catalogs[-4:]), 2))

    async def bring(sides: tuple[bytes, bytes]) -> bool:
        answer = await a.http.post("/federation/evidence", json=posted("catalog_fork", source, *sides))
        assert answer.status_code == 200, answer.text
        return bool(answer.json()["new"])

    assert [await bring(sides) for sides in pairs[:5]] == [True, True, True, False, False]
    assert await evidence_leaves(a) == len(await a.get("evidence", subject=source)) == 3
    # What comes after the operator has decided is news again.
    await a.post("lift-gate", sourceId=source)
    assert await bring(pairs[5])
    assert (await gates(a, source))[0] == ["equivocation"]
    assert not await bring(pairs[4])


async def test_a_log_that_forks_without_end_fills_nothing(a: ServedNode, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("pfn.services.log_evidence.MOST_PAIRS", 2)
    monkeypatch.setattr("pfn.services.evidence_exchange.MOST_PAIRS", 2)
    async with FakePeer() as peer:
        peer_id = await befriend(a, peer)
        for signer in (peer.signer, a.prepared.log):
            fresh = []
            for root in (b"b", b"c", b"d", b"e"):
                body = posted("log_fork", signer.name, fork_note(signer, b"a"), fork_note(signer, root))
                fresh.append((await a.http.post("/federation/evidence", json=body)).json()["new"])
            assert fresh == [True, True, False, False]
            assert len(await a.get("evidence", subject=signer.name)) == 2
        assert await evidence_leaves(a) == 2
        assert (await peer_of(a, peer_id)).state is PeerState.FAULTY
        # Forgiven, it is caught again.
        assert (await a.post(f"peers/{peer_id}/forgive")).status_code == 200
        body = posted("log_fork", peer.signer.name, fork_note(peer.signer, b"f"), fork_note(peer.signer, b"g"))
        assert (await a.http.post("/federation/evidence", json=body)).json()["new"] is True
        assert (await peer_of(a, peer_id)).state is PeerState.FAULTY
