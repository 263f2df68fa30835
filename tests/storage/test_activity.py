"""The one history: it only grows, and whoever reads it forward misses nothing."""

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from sqlalchemy.event import listen
from tests.support.records import ANN, BOB, add_sources, make_release, offer

from pfn.domain.activity import Activity, ActivityFilter, ActivityType, describe
from pfn.storage.activity import add_activities, last_seq, list_activities, read_activities
from pfn.storage.database import Database, sqlite_url
from pfn.storage.release import add_version_updates
from pfn.storage.schema import events, version_updates

PUBLIC = ActivityFilter(private=False)

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
        found = await list_activities(connection, limit=9)
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
        shown = await list_activities(connection, PUBLIC, limit=9)
        everything = await list_activities(connection, limit=9)
        audit = await list_activities(connection, ActivityFilter(private=True), limit=9)
        assert [one.private for one in shown] == [False, False]
        assert [one.private for one in everything] == [True, False, True, False]
        assert [one.private for one in audit] == [True, True]
        # A page is filled with what may be seen, not thinned out afterwards.
        assert [one.seq for one in await list_activities(connection, PUBLIC, limit=2)] == [newest - 1, newest - 3]
        assert [one.seq for one in await list_activities(connection, PUBLIC, limit=1, offset=1)] == [newest - 3]


def random_activity(dice: random.Random) -> Activity:
    """An event with each of its parts thrown for."""
    action = dice.choice(["plugin_updated", "key_created", "source_suspended"])
    return replace(
        UPDATE,
        type=dice.choice(list(ActivityType)),
        timestamp=dice.randrange(10),
        details=describe(action, "Something happened."),
        actor=dice.choice(["node", "a-key", "b-key"]),
        source_id=dice.choice([ANN, BOB, None]),
        plugin_id=dice.choice(["hello", "other", None]),
        private=dice.random() < 0.3,
    )


def random_filter(dice: random.Random) -> ActivityFilter:
    """A filter with about a third of its conditions set."""

    def sometimes(value: object) -> object:
        return value if dice.random() < 0.35 else None

    return ActivityFilter(
        kinds=frozenset(sometimes(dice.sample(list(ActivityType), dice.choice([1, 2]))) or ()),
        actions=frozenset(sometimes(dice.choice([{"plugin_updated"}, {"key_created", "source_added"}])) or ()),
        actor=sometimes(dice.choice(["node", "a-key"])),
        by_people=dice.random() < 0.35,
        source_id=sometimes(dice.choice([ANN, BOB, "nobody@one.example"])),
        plugin_id=sometimes(dice.choice(["hello", "other"])),
        since=sometimes(dice.randrange(11)),
        until=sometimes(dice.randrange(11)),
        private=sometimes(dice.random() < 0.5),
    )


@pytest.mark.parametrize("seed", range(4))
async def test_the_rows_and_the_filter_agree_on_what_is_wanted(database: Database, seed: int):
    dice = random.Random(seed)
    given = [random_activity(dice) for _ in range(60)]
    async with database.write() as connection:
        await add_activities(connection, given)
        everything = await list_activities(connection, limit=99)
        assert [replace(one, seq=0) for one in reversed(everything)] == given
        for _ in range(60):
            wanted = random_filter(dice)
            matching = [one for one in everything if wanted.match(one)]
            assert await list_activities(connection, wanted, limit=99) == matching
            forwards = [one for one in reversed(matching) if one.seq > everything[30].seq]
            assert await read_activities(connection, wanted, after=everything[30].seq, limit=5) == forwards[:5]


@pytest.mark.parametrize(
    "wanted",
    [
        ActivityFilter(),
        ActivityFilter(private=False),
        ActivityFilter(private=True),
        ActivityFilter(actions=frozenset({"key_created"})),
        ActivityFilter(by_people=True),
        ActivityFilter(by_people=True, actor="4fJ0aP2kQz91"),
        ActivityFilter(by_people=True, actions=frozenset({"key_created", "key_revoked"})),
        ActivityFilter(source_id=ANN),
        ActivityFilter(source_id=ANN, plugin_id="hello", private=False),
        ActivityFilter(plugin_id="hello"),
        ActivityFilter(kinds=frozenset({ActivityType.VERSION_UPDATE})),
    ],
    # A set is written in another order in each process.
    ids=lambda wanted: "-".join(name for name in wanted.__slots__ if getattr(wanted, name)) or "all",
)
async def test_no_page_of_the_history_costs_a_look_at_all_of_it(migrated_sqlite: Path, wanted: ActivityFilter):
    """SQLite says beforehand what it will do; PostgreSQL decides by what is in the rows."""
    database = Database(sqlite_url(migrated_sqlite))
    statements = []
    listen(database.engine.sync_engine, "before_cursor_execute", lambda *given: statements.append(given[2:4]))
    async with database.read() as connection:
        await list_activities(connection, wanted, limit=9, before=10**6)
        text, parameters = statements[-1]
        plan = [row[3] for row in await connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", tuple(parameters))]
    await database.close()
    assert any(step.startswith("SEARCH events USING") for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


async def test_a_version_update_says_whether_everybody_was_told(database: Database):
    releases = [make_release(version=version) for version in ("1.1", "1.2")]
    async with database.write() as connection:
        await add_sources(connection)
        for release in releases:
            await offer(connection, release)
            await add_version_updates(connection, [(release, "1.0")])
        await connection.execute(
            update(version_updates).where(version_updates.c.new_version == "1.1").values(notified=True)
        )
        await add_activities(
            connection, [UPDATE, replace(UPDATE, new_version="1.2"), replace(UPDATE, source_id=BOB), SECRET]
        )
        assert [one.notified for one in await list_activities(connection, limit=9)] == [None, None, False, True]


async def test_pages_by_offset_and_by_cursor_meet_everything_once(database: Database):
    async with database.write() as connection:
        await add_activities(connection, [UPDATE, SECRET] * 10)
        everything = [one.seq for one in await list_activities(connection, limit=99)]
        pages = [await list_activities(connection, limit=7, offset=start) for start in (0, 7, 14, 21)]
        assert [[one.seq for one in page] for page in pages] == [
            everything[:7],
            everything[7:14],
            everything[14:],
            [],
        ]
        walked: list[int] = []
        while page := await list_activities(connection, limit=3, before=walked[-1] if walked else None):
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
