"""The live stream of a real node, followed over real connections while others write to its database."""

import asyncio
import json
import random
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.node import RunningNode, run_node
from tests.support.problem import assert_problem
from tests.support.records import ANN, BOB
from tests.support.rows import database_for

from pfn.client.events import EventReader
from pfn.domain.activity import Activity, ActivityFilter, ActivityType, describe
from pfn.protocol.errors import Code
from pfn.storage.activity import add_activities, list_activities
from pfn.storage.database import Database

EVENT = Activity(ActivityType.HEALTH_CHANGE, 1, "node", describe("down", "It is down."), source_id=ANN)
PUBLIC = ActivityFilter(private=False)
PATIENCE = 60.0


@pytest.fixture
async def rows(node: RunningNode) -> AsyncIterator[Database]:
    """The node's own database, as another process has it."""
    database = Database(database_for(node.data))
    yield database
    await database.close()


async def write(rows: Database, *activities: Activity) -> None:
    async with rows.write() as connection:
        await add_activities(connection, activities)


async def seqs(rows: Database, after: int, wanted: ActivityFilter = PUBLIC) -> list[int]:
    async with rows.read() as connection:
        found = await list_activities(connection, wanted, limit=9_999)
    return [one.seq for one in reversed(found) if one.seq > after]


class Listener:
    """One client of the stream, and what it heard."""

    def __init__(self, http: httpx.AsyncClient, **query: Any) -> None:
        self._http = http
        self._query = query
        self.reader = EventReader()
        self.heard: list[dict[str, Any]] = []
        self.names: list[str] = []

    async def listen(self, until: int, *, patient: bool = False) -> None:
        """Connect, from where it was, and listen until so many events were heard, or the stream ends.

        One that is ``patient`` tries again where there is no room.
        """
        async with asyncio.timeout(PATIENCE):
            while not await self._listen(until, patient):
                await asyncio.sleep(0.05)

    async def _listen(self, until: int, patient: bool) -> bool:
        headers = {"Last-Event-ID": self.reader.last_id} if self.reader.last_id else {}
        self.reader = EventReader(self.reader.last_id)
        async with self._http.stream("GET", "/federation/events", params=self._query, headers=headers) as answer:
            if answer.status_code == 503 and patient:
                return False
            assert answer.status_code == 200, await answer.aread()
            async for line in answer.aiter_lines():
                event = self.reader.feed(line)
                if event is not None:
                    self.names.append(event.name)
                    self.heard.append(json.loads(event.data))
                if len(self.heard) >= until and not line:
                    break
        return True

    @property
    def seqs(self) -> list[int]:
        return [row["seq"] for row in self.heard]


@asynccontextmanager
async def listening(listener: Listener, until: int) -> AsyncIterator[None]:
    """Have somebody listen while the block runs; afterwards wait until enough was heard."""
    task = asyncio.create_task(listener.listen(until))
    async with asyncio.timeout(PATIENCE):
        while listener.reader.last_id is None and not task.done():
            await asyncio.sleep(0.01)
    yield
    await task


async def test_what_happens_is_heard_with_and_without_a_key(node: RunningNode, rows: Database) -> None:
    async with node.async_client() as operator, node.async_client("") as stranger:
        one, two = Listener(operator), Listener(stranger)
        async with listening(one, 3), listening(two, 2):
            await write(rows, EVENT)
            key = node.create_key(description="private")
            await write(rows, replace(EVENT, source_id=BOB))
        assert [row["details"]["action"] for row in one.heard] == ["down", "key_created", "down"]
        assert one.heard[1]["details"]["key_id"] == key["id"]
        assert one.heard[1]["actor"] == "master"
        assert [row["source_id"] for row in two.heard] == [ANN, BOB]
        assert "actor" not in two.heard[0]
        assert two.names == ["health_change"] * 2
        listed = (await operator.get("/federation/activity?limit=3")).json()["activities"]
        assert list(reversed(listed)) == one.heard


async def test_filters_are_those_of_the_list(node: RunningNode, rows: Database) -> None:
    update = replace(EVENT, type=ActivityType.VERSION_UPDATE, plugin_id="hello")
    async with node.async_client() as http:
        listeners = {
            "source": Listener(http, source=BOB),
            "plugin": Listener(http, plugin="hello"),
            "kind": Listener(http, kind=["version_update", "federation_event"]),
            "private": Listener(http, private="true"),
        }
        async with (
            listening(listeners["source"], 1),
            listening(listeners["plugin"], 1),
            listening(listeners["kind"], 2),
            listening(listeners["private"], 1),
        ):
            await write(rows, EVENT, update, replace(EVENT, source_id=BOB))
            node.create_key()
        assert listeners["source"].heard[0]["source_id"] == BOB
        assert listeners["plugin"].heard[0]["plugin_id"] == "hello"
        assert [row["type"] for row in listeners["kind"].heard] == ["version_update", "federation_event"]
        assert listeners["private"].heard[0]["details"]["action"] == "key_created"


@pytest.mark.parametrize("seed", range(2))
async def test_clients_that_lose_their_connections_miss_nothing_and_hear_nothing_twice(
    node: RunningNode, rows: Database, seed: int
) -> None:
    dice = random.Random(seed)
    await write(rows, EVENT)
    begin = (await seqs(rows, 0))[-1]
    total = 150

    async def keep_writing() -> None:
        written = 0
        while written < total:
            some = min(dice.choice([1, 3, 20]), total - written)
            await write(rows, *[EVENT] * some, replace(EVENT, private=True))
            written += some
            await asyncio.sleep(dice.choice([0, 0.01, 0.05]))

    async def follow(listener: Listener) -> list[int]:
        while len(listener.heard) < total:
            await listener.listen(min(total, len(listener.heard) + dice.randrange(1, 60)))
        return listener.seqs

    async with node.async_client("") as http:
        listeners = [Listener(http, after=begin) for _ in range(6)]
        *heard, _ = await asyncio.gather(*(follow(listener) for listener in listeners), keep_writing())
    expected = await seqs(rows, begin)
    assert len(expected) == total
    for one in heard:
        assert one == expected


async def test_an_address_may_say_where_to_begin_and_the_header_is_stronger(node: RunningNode, rows: Database) -> None:
    await write(rows, *[EVENT] * 5)
    last = (await seqs(rows, 0))[-1]
    async with node.async_client("") as http:
        listener = Listener(http, after=last - 4)
        await listener.listen(2)
        assert listener.seqs == [last - 3, last - 2]
        await listener.listen(4)
        assert listener.seqs == [last - 3, last - 2, last - 1, last]
        stranger = Listener(http, after=2**60)
        await stranger.listen(1)
        assert (stranger.names, stranger.heard) == (["reset"], [{"after": last}])


async def test_who_asks_wrongly_is_refused(node: RunningNode) -> None:
    subscriber = node.create_key("subscriber")["key"]
    for key, query, headers, code in (
        ("fadmin_wrong", {}, {}, Code.KEY_UNKNOWN),
        ("", {"private": "true"}, {}, Code.KEY_REQUIRED),
        (subscriber, {"private": "true"}, {}, Code.SCOPE_MISSING),
        ("", {"after": "yesterday"}, {}, Code.INVALID_FIELD),
        ("", {}, {"Last-Event-ID": "-1"}, Code.INVALID_FIELD),
        ("", {"kind": "gossip"}, {}, Code.INVALID_FIELD),
    ):
        async with node.async_client(key) as http:
            assert_problem(await http.get("/federation/events", params=query, headers=headers), code)


async def test_a_revoked_key_hears_nothing_more(node: RunningNode, rows: Database) -> None:
    key = node.create_key()
    async with node.async_client(key["key"]) as http:
        listener = Listener(http)
        async with listening(listener, 99):
            await write(rows, EVENT)
            async with asyncio.timeout(PATIENCE):
                while not listener.heard:
                    await asyncio.sleep(0.01)
            node.client(node.master_key).post("/federation/revoke-key", json={"id": key["id"]})
            await write(rows, EVENT)
        # The stream ended by itself.
        assert len(listener.heard) == 1


async def test_there_are_only_so_many_streams(tmp_path: Path) -> None:
    with run_node(tmp_path / "node", environment={"PFN_MAX_STREAMS": "2"}) as node:
        async with node.async_client("") as http:
            one, two = Listener(http), Listener(http)
            async with listening(one, 1), listening(two, 1):
                refused = await http.get("/federation/events")
                assert_problem(refused, Code.NOT_READY)
                assert int(refused.headers["retry-after"]) > 0
                rows = Database(database_for(node.data))
                await write(rows, EVENT)
                await rows.close()
            # Both left: there is room again, once the node has heard of it.
            again = Listener(http, after=0)
            await again.listen(1, patient=True)
            assert again.heard


async def test_a_node_that_stops_ends_its_streams_and_waits_for_nobody(tmp_path: Path) -> None:
    with run_node(tmp_path / "node") as node:
        async with node.async_client("") as http:
            listeners = [Listener(http) for _ in range(20)]
            tasks = [asyncio.create_task(listener.listen(1)) for listener in listeners]
            async with asyncio.timeout(PATIENCE):
                while any(listener.reader.last_id is None for listener in listeners):
                    await asyncio.sleep(0.01)
            node.process.send_signal(signal.SIGTERM)
            # Each answer ends whole: none of these raises.
            await asyncio.gather(*tasks)
        assert await asyncio.to_thread(node.process.wait, PATIENCE) in {0, -signal.SIGTERM}
        assert "graceful" not in (tmp_path / "node.log").read_text()


async def test_a_client_that_never_reads_holds_up_nobody(node: RunningNode, rows: Database) -> None:
    await write(rows, EVENT)
    begin = (await seqs(rows, 0))[-1]
    host, _, port = node.url.partition("://")[2].partition(":")
    large = replace(EVENT, details=describe("down", "It is down. " * 2_000))
    with socket.create_connection((host, int(port))) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /federation/events?after=0 HTTP/1.1\r\nHost: node\r\n\r\n")
        async with node.async_client("") as http:
            listener = Listener(http, after=begin)
            async with listening(listener, 300):
                # Far more than all the buffers on the way to the one that does not read.
                for _ in range(6):
                    await write(rows, *[large] * 50)
        assert listener.seqs == await seqs(rows, begin)
        assert deaf.recv(15) == b"HTTP/1.1 200 OK"
