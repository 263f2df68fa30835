"""The frames of the live stream, spoken to without a server: heartbeats, resuming, clients that stall or leave."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from tests.support.records import ANN

from pfn.domain.activity import EVERYTHING, Activity, ActivityFilter, ActivityType, describe
from pfn.protocol.errors import Code, PfnError
from pfn.services.live import LiveService
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.history import forget_events
from pfn.web.events import EventStream

EVENT = Activity(
    ActivityType.FEDERATION_EVENT, 1, "a-key", describe("noted", "Line one\nline two\u2028 \ud800"), source_id=ANN
)
SECRET = Activity(ActivityType.FEDERATION_EVENT, 1, "a-key", describe("noted", "A secret."), private=True)


@dataclass
class Client:
    """The other side of an ASGI application: takes what is sent, as long as it likes."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    taking: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.taking.set()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        await self.taking.wait()
        self.messages.append(message)
        self.came.set()

    @property
    def text(self) -> str:
        return b"".join(message.get("body", b"") for message in self.messages).decode()

    @property
    def ended(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("more_body") is False

    async def until(self, part: str) -> None:
        """Wait until something was sent."""
        async with asyncio.timeout(60):
            while part not in self.text:
                self.came.clear()
                await self.came.wait()


@pytest.fixture
async def live(database: Database) -> AsyncIterator[LiveService]:
    live = LiveService(database, max_streams=3)
    yield live
    await live.stop()


async def write(database: Database, *activities: Activity) -> None:
    async with database.write() as connection:
        await add_activities(connection, activities)


def open_stream(
    live: LiveService, client: Client, wanted: ActivityFilter = EVERYTHING, after: int | None = None, **more: Any
) -> "asyncio.Task[None]":
    stream = EventStream(live, wanted, after, show=Activity.to_public_json, **more)
    return asyncio.create_task(stream({"type": "http"}, client.receive, client.send))


async def leave(client: Client, task: "asyncio.Task[None]") -> None:
    client.gone.set()
    async with asyncio.timeout(60):
        await task


async def test_a_frame_has_the_number_the_kind_and_the_row_on_one_line(live: LiveService, database: Database):
    client = Client()
    task = open_stream(live, client, after=0)
    await write(database, EVENT)
    await client.until("data: ")
    frame = client.text.split("\n\n")[1]
    number, kind, data = frame.split("\n")
    assert (number, kind) == ("id: 1", "event: federation_event")
    row = json.loads(data.removeprefix("data: "))
    assert (row["seq"], row["details"]["sentence"]) == (1, EVENT.sentence)
    assert "actor" not in row
    assert client.text.isascii()
    start = client.messages[0]
    headers = dict(start["headers"])
    assert start["status"] == 200
    assert headers[b"content-type"] == b"text/event-stream; charset=utf-8"
    assert headers[b"cache-control"] == b"no-store"
    assert b"content-length" not in headers
    await leave(client, task)


async def test_a_stream_says_first_where_it_stands_so_that_no_gap_can_open(live: LiveService, database: Database):
    await write(database, EVENT, EVENT)
    client = Client()
    task = open_stream(live, client)
    await client.until("\n\n")
    assert client.text == "retry: 2000\nid: 2\n\n"
    await leave(client, task)


async def test_heartbeats_come_in_silence_and_carry_the_place(live: LiveService, database: Database):
    client = Client()
    task = open_stream(live, client, ActivityFilter(private=False), heartbeat=0.05)
    await client.until(": \nid: 0\n\n: \nid: 0\n\n")
    await write(database, SECRET)
    await client.until(": \nid: 1\n\n")
    assert "data" not in client.text
    await leave(client, task)


async def test_who_missed_something_is_told_once(live: LiveService, database: Database):
    await write(database, *[EVENT] * 5)
    async with database.write() as connection:
        await forget_events(connection, before=9, limit=3)
    client = Client()
    task = open_stream(live, client, after=1)
    await client.until("id: 5")
    frames = client.text.split("\n\n")
    assert frames[0] == 'retry: 2000\nid: 3\nevent: reset\ndata: {"after": 3}'
    assert [frame.split("\n")[0] for frame in frames[1:3]] == ["id: 4", "id: 5"]
    await leave(client, task)
    # Whoever was told goes on from behind the gap.
    client = Client()
    task = open_stream(live, client, after=3)
    await client.until("id: 5")
    assert "reset" not in client.text
    await leave(client, task)


async def test_a_client_that_takes_nothing_is_let_go_and_holds_nobody(live: LiveService, database: Database):
    slow, quick = Client(), Client()
    tasks = [open_stream(live, slow, after=0, stall=0.2), open_stream(live, quick, after=0, stall=0.2)]
    await slow.until("\n\n")
    slow.taking.clear()
    for number in range(1, 6):
        await write(database, EVENT)
        await quick.until(f"id: {number}\n")
    async with asyncio.timeout(60):
        await tasks[0]
    # It was not told that the answer is whole: the server will close the connection.
    assert not slow.ended
    assert live.count == 1
    await leave(quick, tasks[1])
    assert live.count == 0


async def test_a_client_that_leaves_while_it_takes_nothing_is_gone_at_once(live: LiveService, database: Database):
    client = Client()
    task = open_stream(live, client, after=0)
    await client.until("\n\n")
    client.taking.clear()
    await write(database, EVENT)
    await leave(client, task)
    assert live.count == 0


async def test_stopping_ends_the_answer_whole(live: LiveService, database: Database):
    client = Client()
    task = open_stream(live, client)
    await client.until("\n\n")
    await live.stop()
    async with asyncio.timeout(60):
        await task
    assert client.ended


async def test_one_stream_too_many_is_an_error_before_anything_is_sent(live: LiveService, database: Database):
    clients = [Client() for _ in range(3)]
    tasks = [open_stream(live, client) for client in clients]
    for client in clients:
        await client.until("\n\n")
    refused = Client()
    with pytest.raises(PfnError) as caught:
        await open_stream(live, refused)
    assert caught.value.code is Code.NOT_READY
    assert refused.messages == []
    for client, task in zip(clients, tasks, strict=True):
        await leave(client, task)


async def test_a_stream_ends_with_the_right_to_read_it(live: LiveService, database: Database):
    revoked = False

    async def check() -> None:
        if revoked:
            raise PfnError(Code.KEY_UNKNOWN, "This API key is revoked.")

    client = Client()
    task = open_stream(live, client, check=check)
    await client.until("retry")
    await write(database, EVENT)
    await client.until("id: 1\nevent")
    revoked = True
    await write(database, EVENT)
    async with asyncio.timeout(60):
        await task
    assert client.ended
    assert "id: 2" not in client.text
