"""Whatever the network did: once it is quiet, nodes that follow each other hold the same, and all of it verifies.

``tests.support.schedule`` says what happens; with odd seeds the nodes no longer sync once it is over, and have only
each other. What a publisher signed with two zips for one version no two nodes can come to hold alike, for the first
bytes stay: then each of them has the proof, and gates the source. ``PFN_NETWORK_SEEDS`` says how many more seeds the
slow half goes through.
"""

import base64
import json
import os
from collections.abc import Collection
from pathlib import Path

import pytest
from tests.support.network import ServedNode
from tests.support.schedule import LIAR, NAMES, OTHER_FACE, World, open_world

from pfn.client.bundle import verify_logged
from pfn.domain.peer import PeerState
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.log.bundle import parse_bundle
from pfn.protocol.log.bundle_verification import Wanted, verify_bundle
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.entry_bundle import read_entries
from pfn.protocol.log.merkle import Frontier, leaf_hash
from pfn.protocol.log.note import parse_verifier_key
from pfn.protocol.log.policy import Policy, PolicyLog, Witness, require_operators, verify_witnessed
from pfn.protocol.log.policy_text import parse_policy
from pfn.protocol.log.tile import TILE_WIDTH
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher_v2 import FakePublisherV2

FEW, MANY = 2, int(os.environ.get("PFN_NETWORK_SEEDS", "2"))


async def check_sameness(world: World, sources: Collection[str | None]) -> None:
    """Hold what the nodes have of sources, None for all, against each other."""
    for source in sources:
        query = {} if source is None else {"source": source}
        held = [await world.nodes[name].get("state", **query) for name in NAMES]
        assert len({(one["digest"], one["count"]) for one in held}) == 1, (source, held)
        assert held[0]["count"] > 0


async def check_peers(world: World) -> None:
    """Look for who was given up on: the liar, by everybody who saw the lie and by its name, and nobody else."""
    for (name, other), peer_id in world.peers.items():
        peer = await world.nodes[name].services.peers.get(peer_id)
        if other != LIAR or peer.state is PeerState.ACTIVE:
            assert peer.state is PeerState.ACTIVE, peer
            assert other != LIAR or not world.lie.always, world.lie.name
        else:
            assert peer.state is PeerState.FAULTY
            assert peer.state_code in {code.slug for code in world.lie.codes}, (world.lie.name, peer.state_detail)


async def ask_policy(world: World, name: str) -> Policy:
    """Give the policy of one who wants both other nodes behind the log of one, whatever that one thinks."""
    own = await world.nodes[name].get("node")
    others = [await world.nodes[other].get("node") for other in NAMES if other != name]
    witnesses = [Witness(one["name"], parse_verifier_key(one["witness_key"]), None, one["operator"]) for one in others]
    return require_operators([PolicyLog(parse_verifier_key(own["log_key"]))], witnesses, len(others))


async def check_witnesses(world: World, name: str, policy: Policy) -> None:
    """Check that both others stand behind the newest tree, and the node's own policy has nobody in it that lied."""
    note, now = await world.look(name), int(world.clock.now)
    assert len(verify_witnessed(note, policy, now=now).witnessing.operators) == len(NAMES) - 1
    own = parse_policy((await world.nodes[name].get("log"))["policy"].encode())
    assert verify_witnessed(note, own, now=now).witnessing.is_quorum
    liar = await world.nodes[name].services.peers.get(world.peers[name, LIAR])
    counted = {witness.key for witness in own.witnesses}
    assert (world.liar.cosigner.verifier_key in counted) == (liar.state is PeerState.ACTIVE)


async def check_releases(world: World, name: str, policy: Policy, sources: Collection[str]) -> None:
    """Verify every release that a node offers, by the node's own word and by its bundle and zip alone."""
    node, now = world.nodes[name], int(world.clock.now)
    yanked = {(one.slug, one.version) for one in world.signed.yanked}
    for source in sources:
        publisher = world.sources[source]
        for row in (await node.get("plugins", source=source, limit=200))["plugins"]:
            for version in (one["version"] for one in row["versions"]):
                query = {"source": source, "plugin": row["plugin_id"], "version": version}
                failed = [one for one in (await node.get("verify", **query))["checks"] if not one["passed"]]
                assert not failed or (failed[0]["name"] == "yank" and (row["plugin_id"], version) in yanked), failed
                proof = await node.http.get("/federation/proof", params=query)
                zipped = await node.http.get("/federation/download", params=query)
                assert (proof.status_code, zipped.status_code) == (200, 200), (proof.text, zipped.text)
                assert zipped.content == plugin_zip(row["plugin_id"], version)
                bundle = parse_bundle(proof.content)
                if isinstance(publisher, FakePublisherV2):
                    pin = parse_public_key(publisher.public_key_pem)
                    wanted = Wanted(source, row["plugin_id"], pin, version, True)
                    verify_bundle(bundle, zipped.content, wanted, policy, now=now)
                else:
                    named = {"source": source, "slug": row["plugin_id"], "version": version}
                    verify_logged(bundle, zipped.content, policy, now=now, **named)


async def check_log(node: ServedNode, heads: list[TreeHead]) -> None:
    """Compute every tree that a node ever showed from the leaves that it has now."""
    assert [head.size for head in heads] == sorted(head.size for head in heads)
    size = heads[-1].size
    assert size < TILE_WIDTH
    entries = await node.http.get(f"/log/tile/entries/000.p/{size}")
    leaves = [leaf_hash(leaf) for leaf in read_entries(entries.content, size)]
    for head in heads:
        assert Frontier().extend(leaves[: head.size]).root == head.root


async def check_world(world: World, sources: Collection[str]) -> None:
    """Check all that must hold of every node; of the releases, those of ``sources``."""
    await check_peers(world)
    for name in NAMES:
        policy = await ask_policy(world, name)
        await check_witnesses(world, name, policy)
        await check_releases(world, name, policy, sources)
        await check_log(world.nodes[name], world.heads[name])


def is_other_face(side: str) -> bool:
    """Tell whether a signed statement is the one of the second zip."""
    return OTHER_FACE.encode() in base64.b64decode(json.loads(side)["payload"])


async def run_schedule(seed: int, data: Path, patch: pytest.MonkeyPatch) -> None:
    async with open_world(seed, data, patch) as world:
        await world.live()
        await world.calm_down(syncs=seed % 2 == 0)
        await check_sameness(world, [None, *world.sources])
        await check_world(world, world.sources)


async def run_with_two_faces(seed: int, data: Path, patch: pytest.MonkeyPatch) -> None:
    async with open_world(seed, data, patch) as world:
        await world.live(two_faces=True)
        await world.calm_down(syncs=seed % 2 == 0)
        honest = [source for source, publisher in world.sources.items() if publisher is world.plain]
        (false,) = set(world.sources) - set(honest)
        for name in NAMES:
            status = await world.nodes[name].get("source-status", sourceId=false)
            assert "equivocation" in [gate["name"] for gate in status["trust"]["gates"]], name
            found = await world.nodes[name].get("evidence", subject=false)
            assert {row["kind"] for row in found} <= {"release_conflict", "statement_fork"}
            assert all(sorted(map(is_other_face, (row["first"], row["second"]))) == [False, True] for row in found)
        await check_sameness(world, honest)
        await check_world(world, honest)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", range(FEW))
async def test_a_mended_network_comes_to_hold_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await run_schedule(seed, tmp_path, monkeypatch)


@pytest.mark.timeout(420)
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW, FEW + MANY))
async def test_many_schedules_end_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await run_schedule(seed, tmp_path, monkeypatch)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", [FEW])
async def test_a_publisher_with_two_faces_is_gated_by_all(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await run_with_two_faces(seed, tmp_path, monkeypatch)


@pytest.mark.timeout(420)
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW + 1, FEW + 1 + MANY))
async def test_two_faces_are_seen_in_many_schedules(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await run_with_two_faces(seed, tmp_path, monkeypatch)
