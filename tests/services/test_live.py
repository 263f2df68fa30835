"""Live readers: everything once and in order, whoever writes meanwhile and however often a reader comes back."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace

import pytest
from tests.support.records import ANN, BOB

from pfn.domain.activity import EVERYTHING, Activity, ActivityFilter, ActivityType, describe
from pfn.protocol.errors import Code, PfnError
from pfn.services.live import BATCH, LiveService
from pfn.storage.activity import add_activities, last_seq, list_activities
from pfn.storage.database import Database
from pfn.storage.history import forget_events

EVENT = Activity(ActivityType.FEDERATION_EVENT, 1, "node", describe("noted", "It was noted."), source_id=ANN)
PATIENCE = 60.0


@pytest.fixture
async def make_live(database: Database) -> AsyncIterator[Callable[..., LiveService]]:
    """Makes live services on the database, and stops them."""
    made: list[LiveService] = []

    def make(**more: int) -> LiveService:
        made.append(LiveService(database, **{"max_streams": 50, **more}))
        return made[-1]

    yield make
    for live in made:
        await live.stop()


async def write(database: Database, *activities: Activity) -> None:
    async with database.write() as connection:
        await add_activities(connection, activities)


async def all_seqs(database: Database, wanted: ActivityFilter = EVERYTHING) -> list[int]:
    async with database.read() as connection:
        return [one.seq for one in reversed(await list_activities(connection, wanted, limit=9_999))]


async def take(live: LiveService, count: int, wanted: ActivityFilter = EVERYTHING, after: int | None = 0) -> list[int]:
    """Open a stream and read at least so many events."""
    taken: list[int] = []
    async with live.open(wanted, after) as stream:
        while len(taken) < count:
            found = await live.next(stream, PATIENCE)
            assert found, "the stream ended or had nothing more"
            taken += [one.seq for one in found]
    return taken


async def test_a_stream_begins_now_and_tells_what_comes(make_live, database: Database):
    live = make_live()
    await write(database, EVENT, EVENT)
    async with live.open(EVERYTHING) as stream:
        assert (stream.after, stream.missed) == ((await all_seqs(database))[-1], False)
        assert await live.next(stream, 0.05) == ()
        await write(database, replace(EVENT, timestamp=7))
        assert [one.timestamp for one in await live.next(stream, PATIENCE)] == [7]


async def test_what_another_process_writes_is_heard_too(make_live, database_url: str, database: Database):
    live = make_live()
    other = Database(database_url)
    async with live.open(EVERYTHING) as stream:
        await write(other, EVENT)
        assert len(await live.next(stream, PATIENCE)) == 1
    await other.close()


async def test_each_stream_has_its_filter_and_comes_past_what_it_does_not_want(make_live, database: Database):
    live = make_live()
    of_bob, public = ActivityFilter(source_id=BOB), ActivityFilter(private=False)
    async with live.open(of_bob, 0) as one, live.open(public, 0) as two:
        await write(database, *[EVENT] * 3, replace(EVENT, source_id=BOB, private=True), EVENT)
        seqs = await all_seqs(database)
        assert [a.seq for a in await live.next(one, PATIENCE)] == [seqs[3]]
        told: list[int] = []
        while len(told) < 4:
            told += [a.seq for a in await live.next(two, PATIENCE)]
        assert told == seqs[:3] + seqs[4:]
        # Once it has looked, a stream stands after events it has no use for.
        assert await live.next(one, 0.1) == ()
        assert one.after == seqs[-1]


@pytest.mark.parametrize("memory", [1024, 5])
@pytest.mark.parametrize("seed", range(3))
async def test_readers_that_come_and_go_meet_every_event_once(
    make_live, nodes: tuple[Database, Database], database: Database, memory: int, seed: int
):
    """Three writers on two other connections; readers leave after random amounts and go on from where they were."""
    live: LiveService = make_live(memory=memory)
    dice = random.Random(seed)
    total = 240

    async def keep_writing(node: Database) -> None:
        written = 0
        while written < total // 3:
            some = min(dice.choice([1, 2, 11, 40]), total // 3 - written)
            await write(node, *(replace(EVENT, private=dice.random() < 0.4) for _ in range(some)))
            written += some
            await asyncio.sleep(dice.choice([0, 0.002, 0.02]))

    async def read_all(wanted: ActivityFilter, is_slow: bool) -> list[int]:
        seen: list[int] = []
        after = 0
        while not (writing.done() and after >= (await all_seqs(database))[-1]):
            async with live.open(wanted, after) as stream:
                assert not stream.missed
                for _ in range(dice.randrange(1, 6)):
                    found = await live.next(stream, 0.05)
                    seen += [one.seq for one in found]
                    after = stream.after
                    if is_slow:
                        await asyncio.sleep(0.03)
        return seen

    writing = asyncio.gather(*(keep_writing(node) for node in (*nodes, database)))
    public = ActivityFilter(private=False)
    readers = [(public, False), (public, True), (EVERYTHING, False), (EVERYTHING, True)]
    results = await asyncio.gather(*(read_all(*reader) for reader in readers))
    await writing
    for (wanted, _), seen in zip(readers, results, strict=True):
        assert seen == await all_seqs(database, wanted)
    assert len(results[-1]) == total


async def test_a_stream_far_behind_reads_from_the_rows_without_end_or_gap(make_live, database: Database):
    live = make_live(memory=3)
    await write(database, *[EVENT] * (3 * BATCH + 7))
    seqs = await all_seqs(database)
    async with live.open(EVERYTHING):
        assert await take(live, len(seqs)) == seqs
        assert await take(live, 9, after=seqs[-10]) == seqs[-9:]


async def test_the_rows_are_looked_at_for_all_at_once_and_not_for_nobody(make_live, database: Database, monkeypatch):
    live: LiveService = make_live()
    looks = 0
    look = live._look

    async def count() -> int:
        nonlocal looks
        looks += 1
        return await look()

    monkeypatch.setattr(live, "_look", count)
    await write(database, EVENT)
    assert looks == 0
    streams = [live.open(EVERYTHING, 0) for _ in range(20)]
    opened = [await stream.__aenter__() for stream in streams]
    assert live.count == 20
    for one in opened:
        assert len(await live.next(one, PATIENCE)) == 1
    before = looks
    await write(database, EVENT)
    for one in opened:
        assert len(await live.next(one, PATIENCE)) == 1
    assert looks - before < 5
    for stream in streams:
        await stream.__aexit__(None, None, None)
    assert live.count == 0
    async with asyncio.timeout(PATIENCE):
        while live._reader is not None:
            await asyncio.sleep(0.01)


async def test_a_reader_is_told_that_what_it_missed_is_gone(make_live, database: Database):
    live = make_live()
    await write(database, *(replace(EVENT, timestamp=second) for second in range(9)))
    seqs = await all_seqs(database)
    async with database.write() as connection:
        assert await forget_events(connection, before=4, limit=99) == 4
    for after, missed, begin in (
        (0, True, seqs[3]),
        (seqs[2], True, seqs[3]),
        (seqs[3], False, seqs[3]),
        (seqs[6], False, seqs[6]),
        (seqs[8], False, seqs[8]),
        # A number this history never gave: the node came back from an older copy.
        (seqs[8] + 1, True, seqs[8]),
        (2**62, True, seqs[8]),
    ):
        async with live.open(EVERYTHING, after) as stream:
            assert (stream.missed, stream.after) == (missed, begin), after


async def test_there_are_only_so_many_streams(make_live, database: Database):
    live = make_live(max_streams=2)
    async with live.open(EVERYTHING):
        async with live.open(EVERYTHING):
            with pytest.raises(PfnError) as caught:
                await live.open(EVERYTHING).__aenter__()
            assert caught.value.code is Code.NOT_READY
            assert caught.value.retry_after
        async with live.open(EVERYTHING):
            assert live.count == 2
    assert live.count == 0


async def test_stopping_ends_every_stream_and_opens_no_more(make_live, database: Database):
    live = make_live()
    async with live.open(EVERYTHING) as stream, live.open(EVERYTHING) as other:
        waiting = asyncio.create_task(live.next(stream, PATIENCE))
        await asyncio.sleep(0)
        await live.stop()
        assert await waiting is None
        assert await live.next(other, PATIENCE) is None
    with pytest.raises(PfnError) as caught:
        await live.open(EVERYTHING).__aenter__()
    assert caught.value.code is Code.NOT_READY
    await live.stop()


async def test_a_database_that_is_away_for_a_moment_ends_no_stream(make_live, database: Database, monkeypatch):
    live: LiveService = make_live()
    async with live.open(EVERYTHING, 0) as stream:
        assert await live.next(stream, 0.05) == ()
        look = live._look

        async def fail() -> int:
            monkeypatch.setattr(live, "_look", look)
            raise OSError("away")

        monkeypatch.setattr(live, "_look", fail)
        await write(database, EVENT)
        assert len(await live.next(stream, PATIENCE)) == 1


async def test_a_number_may_be_asked_for_before_anything_happened(make_live, database: Database):
    live = make_live()
    async with database.read() as connection:
        assert await last_seq(connection) == 0
    async with live.open(EVERYTHING, 0) as stream:
        assert (stream.after, stream.missed) == (0, False)
