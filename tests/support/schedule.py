"""A small world that lives through what a seed draws: nodes that follow each other, publishers, and a liar.

Three nodes of equal policy follow two publishers, each other, and a fourth that is honest until it lies. Things happen
one at a time: releases, yanks, syncs, runs with peers, cosignatures, links that are cut, slow or broken off, publishers
that are away, nodes that are restarted. ``calm_down`` then mends all but the liar and lets runs go on until nothing
changes. What must hold after that is not said here.
"""

import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.support.lies import LIES, Scene
from tests.support.mesh import befriend, follow
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time

from pfn.outbound.fetch import Fetcher
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.checkpoint import TreeHead, verify_checkpoint
from pfn.protocol.log.note import Note, parse_note, parse_verifier_key
from pfn.testing.faults import hang_up
from pfn.testing.network import Network
from pfn.testing.peer import FakePeer
from pfn.testing.publisher import ANY_PATH, FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

NAMES = ("a", "b", "c")
LIAR = "liar"
PLUGINS = ("one", "two")
OTHER_FACE = "For the other half of the world."
STEPS = 24
# Two rounds suffice: in the first each hears of all that is anywhere, for a run brings what is new at a peer and tells
# it what is new here; the second shows that nothing is left. Who withholds is given up on at the third time, and a
# fourth round shows that. However slow the machine is it is the same (five at once on one core were tried); the others
# are for what takes longer there than a fetch may.
MOST_ROUNDS = 8
# Of a stranger only what is signed down to its bytes: whose other bytes of a v1 release come first, they stay.
STRANGER = {"minimum_level": "artifact", "first": "peers"}


class World:
    """The nodes, their publishers, the liar, and what was seen of them; ``random`` draws all that happens."""

    def __init__(
        self,
        seed: int,
        data: Path,
        network: Network,
        publishers: tuple[FakePublisher, FakePublisherV2],
        liar: FakePeer,
        patch: pytest.MonkeyPatch,
    ) -> None:
        self.random = random.Random(seed)
        self.clock = Time()
        self.network = network
        self.plain, self.signed = self.publishers = publishers
        self.liar = liar
        self.lie = LIES[seed % len(LIES)]
        self.lied = False
        self.sources: dict[str, FakePublisher] = {}
        self.peers: dict[tuple[str, str], int] = {}
        self.nodes: dict[str, ServedNode] = {}
        self.heads: dict[str, list[TreeHead]] = defaultdict(list)
        self.published = 0
        self._data = data
        self._patch = patch
        self._running: dict[str, AsyncExitStack] = {}

    async def begin(self) -> None:
        """Start the nodes, have all follow both publishers, and make all others the peers of each."""
        self.tell_time()
        for name in NAMES:
            await self.start(name)
        for publisher in self.publishers:
            content = publisher.add_plugin(PLUGINS[0], "1.0")
            self.liar.keep(publisher)
            self.liar.offer(publisher, PLUGINS[0], "1.0", content)
            for node in self.nodes.values():
                self.sources[await follow(node, publisher)] = publisher
        for name in NAMES:
            for other in NAMES:
                if name != other:
                    self.peers[name, other] = await befriend(self.nodes[name], self.nodes[other])
            self.peers[name, LIAR] = await befriend(self.nodes[name], self.liar, **STRANGER)
            assert await self.tail_one(name, LIAR) is None

    async def start(self, name: str) -> None:
        """Serve a node, on its folder of before if it has one; it finds others as the network says."""
        lookup = partial(self.network.lookup, name)
        self._patch.setattr("pfn.app.wiring.Fetcher", partial(Fetcher, lookup=lookup))
        running = AsyncExitStack()
        more = {"operator": f"The operator of {name}", "witness_quorum": len(NAMES) - 1}
        serving = serve_node(self._data / name, clock=self.clock, public_url=self.network.url(name), **more)
        self.nodes[name] = await running.enter_async_context(serving)
        self._running[name] = running
        self.network.place(name, self.nodes[name].prepared.settings.port)

    async def stop(self, name: str) -> None:
        """Shut a node down; its folder stays."""
        await self.network.remove(name)
        await self._running.pop(name).aclose()

    async def end(self) -> None:
        """Shut all nodes down."""
        for name in list(self._running):
            await self.stop(name)

    def tell_time(self) -> None:
        """Move everybody's time on by some minutes."""
        self.clock.now += self.random.randrange(60, 600)
        for stranger in (*self.publishers, self.liar):
            stranger.now = int(self.clock.now)

    async def live(self, *, two_faces: bool = False) -> None:
        """Let one thing happen after another; at some point the liar lies, and a publisher shows ``two_faces``."""
        lie_at, turn_at = self.random.randrange(STEPS), self.random.randrange(STEPS)
        for number in range(STEPS):
            self.tell_time()
            if number == lie_at:
                self.tell_lie()
            if number == turn_at and two_faces:
                await self.show_two_faces()
            await self.step()

    async def step(self) -> None:
        """Let one thing happen, and look at the log of some node."""
        happenings: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (5, self.publish),
            (1, self.yank),
            (6, self.sync),
            (8, self.tail),
            (3, self.cosign),
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

    # What happens.

    async def publish(self) -> None:
        publisher, slug, version = self.random.choice(self.publishers), self.random.choice(PLUGINS), self.next_version()
        content = publisher.add_plugin(slug, version)
        if not self.lied and self.random.random() < 0.5:
            self.liar.learn(publisher)
            self.liar.offer(publisher, slug, version, content)

    async def yank(self) -> None:
        slug = self.random.choice(sorted(self.signed.statements))
        version = self.signed.statements[slug][-1].statement.version
        if (slug, version) not in {(one.slug, one.version) for one in self.signed.yanked}:
            self.signed.yank(slug, version)

    async def sync(self) -> None:
        await self.sync_one(self.random.choice(NAMES), self.random.choice(sorted(self.sources)))

    async def tail(self) -> None:
        await self.tail_one(*self.random.choice(sorted(self.peers)))

    async def cosign(self) -> None:
        await self.cosign_one(*self.random.choice(sorted(self.peers)))

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

    def tell_lie(self) -> None:
        """Have the liar lie from now on."""
        slug, version = PLUGINS[0], self.next_version()
        rare = version, self.signed.add_plugin(slug, version)
        self.lie.tell(Scene(self.liar, self.plain, self.signed, slug, rare))
        self.lied = True

    async def show_two_faces(self) -> None:
        """Have the publisher that signs bytes show two nodes two zips for one version."""
        self.signed.faults.clear()
        slug, version = PLUGINS[0], self.next_version()
        source = next(name for name, publisher in self.sources.items() if publisher is self.signed)
        first, second = self.random.sample(NAMES, 2)
        self.signed.add_plugin(slug, version)
        await self.sync_one(first, source)
        self.signed.statements[slug].pop()
        self.signed.add_plugin(slug, version, description=OTHER_FACE)
        await self.sync_one(second, source)

    def next_version(self) -> str:
        """Give a version that no publisher had yet."""
        self.published += 1
        return f"1.{self.published}"

    # One node's doings; each tells why it could not be done.

    async def sync_one(self, name: str, source: str) -> str | None:
        return await _attempt(f"{name} syncs {source}", self.nodes[name].services.syncs.run_now(source))

    async def tail_one(self, name: str, other: str) -> str | None:
        run = self.nodes[name].services.peer_syncs.run_now(self.peers[name, other])
        return await _attempt(f"{name} reads {other}", run)

    async def cosign_one(self, name: str, other: str) -> str | None:
        asked = self.nodes[name].services.cosigning.ask(self.peers[name, other])
        return await _attempt(f"{name} asks {other} to cosign", asked)

    async def look(self, name: str) -> Note:
        """Note down the tree that a node shows: nothing may ever contradict it."""
        answer = await self.nodes[name].http.get("/log/checkpoint")
        assert answer.status_code == 200, answer.text
        note, key = parse_note(answer.content), parse_verifier_key((await self.nodes[name].get("node"))["log_key"])
        self.heads[name].append(verify_checkpoint(note, [key]).head)
        return note

    async def calm_down(self, *, syncs: bool) -> int:
        """Mend all but the liar and run until nothing changes; without ``syncs`` the nodes have only each other.

        Gives the number of rounds. At last everybody asks everybody to cosign.
        """
        self.network.heal()
        for publisher in self.publishers:
            publisher.faults.clear()
        before: object = None
        last: object = None
        troubles: list[str | None] = []
        for number in range(1, MOST_ROUNDS + 1):
            self.tell_time()
            troubles = [
                *[await self.sync_one(name, source) for name in NAMES if syncs for source in self.sources],
                *[await self.tail_one(name, other) for name, other in sorted(self.peers)],
            ]
            after = [await self.nodes[name].get("state") for name in NAMES]
            if not any(troubles) and after == before:
                troubles = [await self.cosign_one(name, other) for name, other in sorted(self.peers)]
                assert not any(troubles), troubles
                return number
            last, before = before, after
        pytest.fail(f"No rest after {MOST_ROUNDS} rounds: {list(filter(None, troubles))}, {last}, {before}")


@asynccontextmanager
async def open_world(seed: int, data: Path, patch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Begin a world, and end it with the block."""
    async with (
        Network(seed, NAMES) as network,
        FakePublisher("bob") as plain,
        FakePublisherV2("ann") as signed,
        FakePeer() as liar,
    ):
        world = World(seed, data, network, (plain, signed), liar, patch)
        try:
            await world.begin()
            yield world
        finally:
            await world.end()


async def _attempt(what: str, doing: Awaitable[object]) -> str | None:
    try:
        await doing
    except PfnError as error:
        # Whom a node gave up on it asks nothing any more.
        return None if error.code is Code.WRONG_STATE else f"{what}: {error.code.slug} ({error.internal})"
    return None
