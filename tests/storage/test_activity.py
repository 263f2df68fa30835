"""The one history: it only grows, and whoever reads it forward misses nothing."""

import asyncio
import random
from dataclasses import replace

from sqlalchemy import delete
from tests.support.records import ANN, BOB

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.storage.activity import add_activities, last_seq, list_activities
from pfn.storage.database import Database
from pfn.storage.schema import events

UPDATE = Activity(
    type=ActivityType.VERSION_UPDATE,
    timestamp=2**40,
    actor="node",
    details=describe("plugin_updated", "Hello went from 1.0 to “1.1”.", sha256="ab", list=[1, None]),
    source_id=ANN,
    source_username="ann",
    plugin_id="hello",
    plugin_name="Hello",
    old_version="1.0",
    new_version="1.1",
)
SECRET = Activity(
    type=ActivityType.FEDERATION_EVENT,
    timestamp=3,
    actor="master",
    details=describe("key_created", "A key was made."),
    private=True,
)


async def test_events_come_back_as_they_were_put_newest_first(database: Database):
    plain = Activity(ActivityType.HEALTH_CHANGE, 1, "node", describe("disk_full", "The disk is full."))
    async with database.write() as connection:
        assert await last_seq(connection) == 0
        await add_activities(connection, [UPDATE, SECRET, plain])
        await add_activities(connection, [])
        found = await list_activities(connection, limit=9, private=True)
    assert [replace(one, seq=0) for one in found] == [plain, SECRET, UPDATE]


async def test_seq_grows_in_the_order_events_were_given(database: Database):
    async with database.write() as connection:
        await add_activities(connection, [replace(UPDATE, timestamp=number) for number in range(150)])
    async with database.write() as connection:
        await add_activities(connection, [replace(UPDATE, timestamp=number) for number in range(150, 160)])
        found = await list_activities(connection, limit=999)
        assert await last_seq(connection) == found[0].seq
    assert [one.timestamp for one in found] == list(range(159, -1, -1))
    assert [one.seq for one in found] == sorted({one.seq for one in found}, reverse=True)


async def test_a_number_is_never_given_again(database: Database):
    async with database.write() as connection:
        await add_activities(connection, [UPDATE, UPDATE])
        before = await last_seq(connection)
    async with database.write() as connection:
        await connection.execute(delete(events))
    async with database.write() as connection:
        await add_activities(connection, [UPDATE])
        assert await last_seq(connection) > before


async def test_private_events_are_for_those_who_ask_for_them(database: Database):
    async with database.write() as connection:
        await add_activities(connection, [UPDATE, SECRET, UPDATE, SECRET])
        newest = await last_seq(connection)
        shown = await list_activities(connection, limit=9)
        everything = await list_activities(connection, limit=9, private=True)
        assert [one.private for one in shown] == [False, False]
        assert [one.private for one in everything] == [True, False, True, False]
        # A page is filled with what may be seen, not thinned out afterwards.
        assert [one.seq for one in await list_activities(connection, limit=2)] == [newest - 1, newest - 3]
        assert [one.seq for one in await list_activities(connection, limit=1, offset=1)] == [newest - 3]


async def test_one_sources_events(database: Database):
    async with database.write() as connection:
        await add_activities(connection, [UPDATE, replace(UPDATE, source_id=BOB), SECRET, UPDATE])
        of_ann = await list_activities(connection, limit=9, source_id=ANN, private=True)
        assert [one.source_id for one in of_ann] == [ANN, ANN]
        assert await list_activities(connection, limit=9, source_id="nobody@one.example") == []


async def test_pages_by_offset_and_by_cursor_meet_everything_once(database: Database):
    async with database.write() as connection:
        await add_activities(connection, [UPDATE, SECRET] * 10)
        everything = [one.seq for one in await list_activities(connection, limit=99, private=True)]
        pages = [await list_activities(connection, limit=7, offset=start, private=True) for start in (0, 7, 14, 21)]
        assert [[one.seq for one in page] for page in pages] == [
            everything[:7],
            everything[7:14],
            everything[14:],
            [],
        ]
        walked: list[int] = []
        while page := await list_activities(connection, limit=3, before=walked[-1] if walked else None, private=True):
            walked += [one.seq for one in page]
            assert len(walked) <= len(everything)
            # What happens meanwhile is before the walk, not in it.
            await add_activities(connection, [UPDATE])
    assert walked == everything


async def test_events_become_visible_in_the_order_of_their_numbers(nodes: tuple[Database, Database]):
    """An ETag made of the newest number, or a reader that goes on behind it, must not miss a slow transaction."""
    pauses = random.Random(1)
    seen: list[int] = []

    async def write(database: Database) -> None:
        for _ in range(4):
            async with database.write() as connection:
                await add_activities(connection, [UPDATE])
                await asyncio.sleep(pauses.choice([0.0, 0.01, 0.03]))

    async def watch() -> None:
        while True:
            async with nodes[0].read() as connection:
                now = {one.seq for one in await list_activities(connection, limit=999)}
            late = [seq for seq in now - set(seen) if seen and seq < max(seen)]
            assert late == []
            seen.extend(sorted(now - set(seen)))
            await asyncio.sleep(0.001)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(write(node) for node in nodes for _ in range(2)))
    async with nodes[0].read() as connection:
        newest = await last_seq(connection)
    while not watching.done() and (not seen or seen[-1] < newest):
        await asyncio.sleep(0.001)
    watching.cancel()
    outcome = (await asyncio.gather(watching, return_exceptions=True))[0]
    assert isinstance(outcome, asyncio.CancelledError), outcome
    assert len(seen) == 16
