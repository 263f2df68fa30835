"""Three real nodes over loopback: what one mirrors reaches the others, through kills and without its publisher."""

import asyncio
import itertools
import socket
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest
from tests.support.node import PFN, RunningNode, start_node
from tests.web.api.conftest import Api

from pfn.testing.faults import Answer, headed
from pfn.testing.publisher_v2 import FakePublisherV2

PLUGINS = 110
# A batch is 64 releases, so then one is stored, and there are more to come.
SERVED_BEFORE_KILL = 75
MASTER_KEY = "a master key for this test"
# An answer comes when all is taken, and the machine may be busy.
PATIENCE_S = 240


def find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Member:
    """A node of the network, at the same address whenever it runs."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.port = find_port()
        self.running: RunningNode | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        environment = {
            "PFN_MASTER_KEY": MASTER_KEY,
            "PFN_WORK": "1",
            "PFN_ACCEPT_PEER_SOURCES": "true",
            "PFN_LEASE_SECONDS": "1",
        }
        self.running = await asyncio.to_thread(start_node, self.data, "--port", str(self.port), environment=environment)
        client = self.running.async_client(MASTER_KEY)
        client.timeout = httpx.Timeout(PATIENCE_S)
        self.api = Api(client)

    async def kill(self) -> None:
        if self.running is None:
            return
        self.running.kill()
        assert self.running.process.stdout is not None
        self.running.process.stdout.close()
        self.running = None
        await self.api.http.aclose()

    async def meet(self, other: "Member") -> None:
        """Add a node whose operator accepts this one."""
        assert (await self.api.post("peers", url=other.url)).json()["status_there"] == "proposed"
        accepted = await other.api.post(f"peers/{await other.number(self)}/accept")
        assert accepted.json()["status"] == "active", accepted.text

    async def number(self, other: "Member") -> int:
        return next(row["id"] for row in await self.api.get("peers") if row["url"] == other.url)

    async def follow(self, other: "Member") -> None:
        """Read another's log on, and take what is wanted, until both hold the same."""
        number = await self.number(other)
        while (await self.held())[0] != (await other.held())[0]:
            answer = await self.api.post(f"peers/{number}/sync")
            assert answer.status_code == 200, answer.text
            assert answer.json()["status"] == "active", answer.text

    async def held(self) -> tuple[str, int]:
        state = await self.api.get("state")
        return state["digest"], state["count"]

    def count_stored(self) -> int:
        with closing(sqlite3.connect(self.data / "node.db", timeout=30)) as rows:
            return int(rows.execute("SELECT count(*) FROM mirrored_plugins").fetchone()[0])

    async def assert_log_holds(self) -> None:
        done = await asyncio.to_thread(
            subprocess.run, [PFN, "log", "check", "--data", str(self.data)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


@asynccontextmanager
async def started(folder: Path) -> AsyncIterator[tuple[Member, Member, Member]]:
    """Start three nodes; the second and the third know the first alone."""
    a, b, c = members = (Member(folder / "a"), Member(folder / "b"), Member(folder / "c"))
    try:
        for member in members:
            await member.start()
        await b.meet(a)
        await c.meet(a)
        yield members
    finally:
        for member in members:
            await member.kill()


def serve_only(count: int, publisher: FakePublisherV2) -> asyncio.Event:
    """Have a publisher serve so many zips; give what happens when one more is asked for, which then never comes."""
    asked_for_more = asyncio.Event()
    served, serve = itertools.count(1), headed()

    async def play(honest: Answer, writer: asyncio.StreamWriter) -> None:
        if next(served) > count:
            asked_for_more.set()
            await asyncio.Event().wait()
        await serve(honest, writer)

    for number in range(PLUGINS):
        publisher.faults[publisher.zip_path(f"plugin-{number}", "1.0")] = play
    return asked_for_more


@pytest.mark.timeout(420)
@pytest.mark.slow
async def test_what_one_node_mirrors_reaches_the_others_through_kills_and_without_its_publisher(tmp_path: Path) -> None:
    async with started(tmp_path) as (a, b, c):
        async with FakePublisherV2() as publisher:
            publisher.add_plugin("first", "1.0")
            source_id = await a.api.add(publisher)
            assert (await a.api.post("subscribe", sourceId=source_id)).status_code == 200
            for member in (b, c):
                await member.follow(a)
                assert await member.api.versions(source_id) == {"first": ["1.0"]}

            # The third is away while more is published.
            await c.kill()
            zips = {f"plugin-{number}": publisher.add_plugin(f"plugin-{number}", "1.0") for number in range(PLUGINS)}
            assert (await a.api.sync(source_id))["state"] == "finished"
            assert (await a.held())[1] == PLUGINS + 1

            # The second asks the publisher for the zips, and so is known to be in the middle when it is killed.
            asked_for_more = asyncio.create_task(serve_only(SERVED_BEFORE_KILL, publisher).wait())
            following = asyncio.create_task(b.follow(a))
            await asyncio.wait([asked_for_more, following], return_when=asyncio.FIRST_COMPLETED)
            assert asked_for_more.done(), following
            await b.kill()
            await asyncio.gather(following, return_exceptions=True)
            assert 1 < b.count_stored() < PLUGINS + 1
            publisher.faults.clear()
            await b.start()
            await b.follow(a)

        # The publisher is gone for good; the third has the first node alone.
        await c.start()
        await c.follow(a)
        assert await a.held() == await b.held() == await c.held()
        assert (await c.held())[1] == PLUGINS + 1
        for slug in ("plugin-0", f"plugin-{PLUGINS - 1}"):
            verdict = await c.api.get("verify", source=source_id, plugin=slug)
            assert (verdict["valid"], verdict["signature_level"]) == (True, "artifact")
            answer = await c.api.http.get("/federation/download", params={"source": source_id, "plugin": slug})
            assert answer.content == zips[slug]
        await b.assert_log_holds()
