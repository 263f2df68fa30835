"""Whatever the network did: once it is quiet, nodes that follow each other hold the same, and all of it verifies.

Three nodes of equal policy and two publishers live through a schedule that a seed draws: releases, yanks, syncs, runs
with peers, links that are cut, slow or broken off, publishers that are away, nodes that are restarted. Then everything
is mended and runs go on until nothing changes; with odd seeds the nodes no longer sync, and have only each other.
``PFN_NETWORK_SEEDS`` says how many more seeds the slow half goes through.
"""

import os
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
from tests.support.mesh import befriend, follow
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time

from pfn.client.bundle import verify_logged
from pfn.domain.peer import PeerState
from pfn.outbound.fetch import Fetcher
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import PfnError
from pfn.protocol.log.bundle import parse_bundle
from pfn.protocol.log.bundle_verification import Wanted, verify_bundle
from pfn.protocol.log.checkpoint import TreeHead, verify_checkpoint
from pfn.protocol.log.entry_bundle import read_entries
from pfn.protocol.log.merkle import Frontier, leaf_hash
from pfn.protocol.log.note import parse_note, parse_verifier_key
from pfn.protocol.log.policy_text import parse_policy
from pfn.protocol.log.tile import TILE_WIDTH
from pfn.testing.faults import hang_up
from pfn.testing.network import Network
from pfn.testing.publisher import ANY_PATH, FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

NAMES = ("a", "b", "c")
PLUGINS = ("one", "two")
STEPS = 24
MOST_ROUNDS = 20
FEW, MANY = 2, int(os.environ.get("PFN_NETWORK_SEEDS", "2"))


class Mesh:
    """Three nodes, their publishers, and what was seen of them; ``random`` draws all that happens."""

    def __init__(
        self, seed: int, data: Path, network: Network, publishers: list[FakePublisher], patch: pytest.MonkeyPatch
    ) -> None:
        self.random = random.Random(seed)
        self.clock = Time()
        self.network = network
        self.publishers = publishers
        self.sources: dict[str, FakePublisher] = {}
        self.peers: dict[tuple[str, str], int] = {}
        self.nodes: dict[str, ServedNode] = {}
        self.heads: dict[str, list[TreeHead]] = defaultdict(list)
        self.published = 0
        self._data = data
        self._patch = patch
        self._running: dict[str, AsyncExitStack] = {}

    async def begin(self) -> None:
        """Start the nodes, have all follow both publishers, and make each the peer of each."""
        self.tell_time()
        for name in NAMES:
            await self.start(name)
        for publisher in self.publishers:
            publisher.add_plugin(PLUGINS[0], "1.0")
            for node in self.nodes.values():
                self.sources[await follow(node, publisher)] = publisher
        for name in NAMES:
            for other in NAMES:
                if name != other:
                    self.peers[name, other] = await befriend(self.nodes[name], self.nodes[other])

    async def start(self, name: str) -> None:
        """Serve a node, on its folder of before if it has one; it finds others as the network says."""
        lookup = partial(self.network.lookup, name)
        self._patch.setattr("pfn.app.Fetcher", partial(Fetcher, lookup=lookup))
        running = AsyncExitStack()
        serving = serve_node(self._data / name, clock=self.clock, public_url=self.network.url(name))
        self.nodes[name] = await running.enter_async_context(serving)
        self._running[name] = running
        self.network.place(name, self.nodes[name].prepared.settings.port)

    async def stop(self, name: str) -> None:
        await self.network.remove(name)
        await self._running.pop(name).aclose()

    async def end(self) -> None:
        for name in list(self._running):
            await self.stop(name)

    def tell_time(self) -> None:
        """Move everybody's time on by some minutes."""
        self.clock.now += self.random.randrange(60, 600)
        for publisher in self.publishers:
            publisher.now = int(self.clock.now)

    async def step(self) -> None:
        """Let one thing happen, and look at the log of some node."""
        self.tell_time()
        happenings: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (5, self.publish),
            (1, self.yank),
            (6, self.sync),
            (8, self.tail),
            (2, self.part),
            (1, self.mend),
            (2, self.disturb),
            (2, self.lose_publisher),
            (2, self.restart),
        ]
        weights, choices = zip(*happenings, strict=True)
        (happening,) = self.random.choices(choices, weights)
        await happening()
        await self.look(self.random.choice(NAMES))

    async def publish(self) -> None:
        publisher = self.random.choice(self.publishers)
        self.published += 1
        publisher.add_plugin(self.random.choice(PLUGINS), f"1.{self.published}")

    async def yank(self) -> None:
        signed = next(one for one in self.publishers if isinstance(one, FakePublisherV2))
        slug = self.random.choice(sorted(signed.statements))
        version = signed.statements[slug][-1].statement.version
        if (slug, version) not in {(one.slug, one.version) for one in signed.yanked}:
            signed.yank(slug, version)

    async def sync(self) -> None:
        node, source = self.nodes[self.random.choice(NAMES)], self.random.choice(sorted(self.sources))
        await self.sync_one(node, source)

    async def sync_one(self, node: ServedNode, source: str) -> None:
        with suppress(PfnError):
            await node.services.syncs.run_now(source)

    async def tail(self) -> None:
        await self.tail_one(*self.random.choice(sorted(self.peers)))

    async def tail_one(self, name: str, other: str) -> None:
        with suppress(PfnError):
            await self.nodes[name].services.peer_syncs.run_now(self.peers[name, other])

    async def part(self) -> None:
        await self.network.part(*self.random.sample(NAMES, 2))

    async def mend(self) -> None:
        self.network.heal()

    async def disturb(self) -> None:
        self.network.disturb(*self.random.sample(NAMES, 2), delay_s=0.005, drop=0.3)

    async def lose_publisher(self) -> None:
        publisher = self.random.choice(self.publishers)
        if not publisher.faults.pop(ANY_PATH, None):
            publisher.faults[ANY_PATH] = hang_up()

    async def restart(self) -> None:
        name = self.random.choice(NAMES)
        await self.stop(name)
        await self.start(name)

    async def look(self, name: str) -> None:
        """Note down the tree that a node shows: nothing may ever contradict it."""
        answer = await self.nodes[name].http.get("/log/checkpoint")
        assert answer.status_code == 200, answer.text
        key = parse_verifier_key((await self.nodes[name].get("node"))["log_key"])
        self.heads[name].append(verify_checkpoint(parse_note(answer.content), [key]).head)

    async def calm_down(self, *, syncs: bool) -> None:
        """Run until nothing changes any more; without ``syncs`` the nodes have only each other."""
        before: object = None
        for _ in range(MOST_ROUNDS):
            self.tell_time()
            for node in self.nodes.values() if syncs else ():
                for source in self.sources:
                    await self.sync_one(node, source)
            for name, other in sorted(self.peers):
                await self.tail_one(name, other)
            after = [await self.nodes[name].get("state") for name in NAMES]
            if after == before:
                return
            before = after
        pytest.fail(f"The nodes are not at rest after {MOST_ROUNDS} rounds.")


@asynccontextmanager
async def open_mesh(seed: int, data: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[Mesh]:
    async with Network(seed, NAMES) as network, FakePublisher("bob") as plain, FakePublisherV2("ann") as signed:
        mesh = Mesh(seed, data, network, [plain, signed], patch)
        try:
            await mesh.begin()
            yield mesh
        finally:
            await mesh.end()


async def check_everything(mesh: Mesh) -> None:
    """Hold the nodes against each other, and each against its publishers' keys and its own past."""
    for source in (None, *mesh.sources):
        query = {} if source is None else {"source": source}
        held = [await mesh.nodes[name].get("state", **query) for name in NAMES]
        assert len({(one["digest"], one["count"]) for one in held}) == 1, (source, held)
        assert held[0]["count"] > 0
    for (name, _), peer_id in mesh.peers.items():
        peer = await mesh.nodes[name].services.peers.get(peer_id)
        assert peer.state is PeerState.ACTIVE, peer
    for name in NAMES:
        await mesh.look(name)
        await check_releases(mesh, mesh.nodes[name])
        await check_log(mesh.nodes[name], mesh.heads[name])


async def check_releases(mesh: Mesh, node: ServedNode) -> None:
    """Verify every release that a node offers, by the node's own word and by its bundle and zip alone."""
    key = (await node.get("node"))["log_key"]
    policy, now = parse_policy(f"log {key}\nquorum none\n".encode()), int(mesh.clock.now)
    for source, publisher in mesh.sources.items():
        for row in (await node.get("plugins", source=source, limit=200))["plugins"]:
            for version in (one["version"] for one in row["versions"]):
                query = {"source": source, "plugin": row["plugin_id"], "version": version}
                verdict = await node.get("verify", **query)
                assert verdict["valid"], verdict["checks"]
                proof = await node.http.get("/federation/proof", params=query)
                zipped = await node.http.get("/federation/download", params=query)
                assert (proof.status_code, zipped.status_code) == (200, 200), (proof.text, zipped.text)
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


async def run_schedule(seed: int, data: Path, patch: pytest.MonkeyPatch) -> None:
    async with open_mesh(seed, data, patch) as mesh:
        for _ in range(STEPS):
            await mesh.step()
        mesh.network.heal()
        for publisher in mesh.publishers:
            publisher.faults.clear()
        await mesh.calm_down(syncs=seed % 2 == 0)
        await check_everything(mesh)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", range(FEW))
async def test_a_mended_network_comes_to_hold_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await run_schedule(seed, tmp_path, monkeypatch)


@pytest.mark.timeout(420)
@pytest.mark.slow
@pytest.mark.parametrize("seed", range(FEW, FEW + MANY))
async def test_many_schedules_end_the_same(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    await run_schedule(seed, tmp_path, monkeypatch)
