"""The worker: what is due, in its order and once, not too much at a time; nothing is leased when it has drained."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from pfn.domain.schedule import Due, Outcome, Pace, Result, Work
from pfn.protocol.errors import Code, PfnError
from pfn.services.lease import Lease, LeaseService
from pfn.services.schedule import ScheduleService
from pfn.storage.database import Database
from pfn.storage.schedule import put_due
from pfn.work.worker import Worker

NOW = 1_000
PACES = dict.fromkeys(Work, Pace(60, 30, 600, 10, 100))
# Long enough that no test waits for it, so what wakes a worker is what the test does.
SOON_S = 60


class Time:
    """A clock that only moves when it is told to."""

    now = float(NOW)

    def __call__(self) -> float:
        return self.now


class Node:
    """A worker with its rows, and a handler that does what the test says."""

    def __init__(self, database: Database, clock: Time, *, concurrency: int = 4, lease_seconds: int = 60) -> None:
        self.database = database
        self.leases = LeaseService(database, clock, seconds=lease_seconds, per_host=100)
        self.schedule = ScheduleService(database, clock, PACES, dice=lambda: 0.0)
        self.worker = Worker(self.leases, self.schedule, clock, self.do, self.has_news, concurrency=concurrency)
        self.done: list[tuple[Work, str]] = []
        self.running = self.most = 0
        self.open = asyncio.Event()
        self.open.set()
        self.answer: Callable[[Lease], Outcome] = lambda _: Outcome(Result.UNCHANGED)
        self.news = False
        self.looks = 0

    async def do(self, lease: Lease) -> Outcome:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.open.wait()
            await asyncio.sleep(0)
            self.done.append((lease.due.kind, lease.due.subject))
            return self.answer(lease)
        finally:
            self.running -= 1

    async def has_news(self) -> bool:
        self.looks += 1
        return self.news

    async def put(self, *subjects: str, kind: Work = Work.PROBE, due_at: int = NOW) -> None:
        async with self.database.write() as connection:
            for subject in subjects:
                await put_due(connection, kind, subject, due_at=due_at, interval_s=60)

    async def find(self, subject: str, kind: Work = Work.PROBE) -> Due:
        due = await self.schedule.find(kind, subject)
        assert due is not None
        return due

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        self.worker.start()
        try:
            yield
        finally:
            self.open.set()
            await self.worker.drain(SOON_S)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def node(database: Database, clock: Time) -> Node:
    return Node(database, clock)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not holds():
            await asyncio.sleep(0.005)


async def look(node: Node) -> None:
    """Have the worker look once more, and wait until it did."""
    before = node.looks
    node.worker.wake()
    await until(lambda: node.looks > before)


async def test_the_longest_due_is_done_first(database: Database, clock: Time) -> None:
    node = Node(database, clock, concurrency=1)
    for subject, due_at in (("late", NOW - 1), ("latest", NOW - 50), ("now", NOW), ("not yet", NOW + 5)):
        await node.put(subject, due_at=due_at)
    async with node.working():
        await until(lambda: len(node.done) == 3)
        assert [subject for _, subject in node.done] == ["latest", "late", "now"]
        clock.now += 5
        node.worker.wake()
        await until(lambda: len(node.done) == 4)
    row = await node.find("latest")
    assert (row.due_at, row.interval_s, row.owner, row.ran_at, row.outcome) == (
        *(NOW + 90, 90, None),
        *(NOW, "unchanged"),
    )


@pytest.mark.parametrize(
    ("error", "wait", "outcome"),
    [
        (PfnError(Code.SOURCE_UNREACHABLE, "Nobody there."), 10, "source_unreachable"),
        (PfnError(Code.PUBLISHER_STATUS, "Not now.", retry_after=500), 500, "publisher_status"),
        (PfnError(Code.KEY_MISMATCH, "Another key."), 10, "key_mismatch"),
        (ZeroDivisionError("a fault of ours"), 10, "internal"),
    ],
)
async def test_what_fails_backs_off_and_harms_no_other(
    node: Node, clock: Time, error: Exception, wait: int, outcome: str
) -> None:
    def answer(lease: Lease) -> Outcome:
        if lease.due.subject == "bad":
            raise error
        return Outcome(Result.CHANGED, detail="went well")

    node.answer = answer
    await node.put("bad", "good")
    async with node.working():
        await until(lambda: len(node.done) == 2 and not node.worker.status().running)
        status = node.worker.status()
        assert (status.failures, status.running) == ({Work.PROBE: 1}, {})
    row = await node.find("bad")
    assert (row.failures, row.due_at, row.outcome, row.owner) == (1, NOW + wait, outcome, None)
    row = await node.find("good")
    assert (row.failures, row.due_at, row.outcome) == (0, NOW + 30, "went well")


async def test_failing_again_doubles_the_wait(node: Node, clock: Time) -> None:
    def answer(_: Lease) -> Outcome:
        raise PfnError(Code.SOURCE_UNREACHABLE, "Nobody there.")

    node.answer = answer
    await node.put("bad")
    waits = []
    for _ in range(5):
        assert [one.outcome.result for one in await node.worker.finish_due()] == [Result.FAILED]
        waits.append((await node.find("bad")).due_at - int(clock.now))
        clock.now += waits[-1]
    assert waits == [10, 20, 40, 80, 100]


async def test_no_more_at_a_time_than_it_may(database: Database, clock: Time) -> None:
    node = Node(database, clock, concurrency=3)
    await node.put(*(f"source-{number}" for number in range(10)))
    node.open.clear()
    async with node.working():
        await until(lambda: node.running == 3)
        await asyncio.sleep(0.1)
        assert node.worker.status().running == {Work.PROBE: 3}
        node.open.set()
        await until(lambda: len(node.done) == 10)
    assert node.most == 3


async def test_several_workers_do_each_thing_once(nodes: tuple[Database, Database], clock: Time) -> None:
    workers = [Node(database, clock, concurrency=3) for database in (*nodes, *nodes)]
    subjects = [f"source-{number}" for number in range(60)]
    await workers[0].put(*subjects)
    for one in workers:
        one.worker.start()
    done: Counter[str] = Counter()
    while done.total() < len(subjects):
        await asyncio.sleep(0.02)
        done = Counter(subject for one in workers for _, subject in one.done)
    await asyncio.gather(*(one.worker.drain(SOON_S) for one in workers))
    assert Counter(subject for one in workers for _, subject in one.done) == dict.fromkeys(subjects, 1)
    assert not [due for due in await workers[0].schedule.list() if due.owner is not None]


async def test_what_drains_is_finished_if_it_can_be(node: Node) -> None:
    await node.put("a")
    node.open.clear()
    node.worker.start()
    await until(lambda: node.running == 1)
    draining = asyncio.create_task(node.worker.drain(SOON_S))
    await asyncio.sleep(0.05)
    await node.put("b")
    node.worker.wake()
    await asyncio.sleep(0.05)
    node.open.set()
    await draining
    assert node.done == [(Work.PROBE, "a")], "a worker that drains claims nothing more"
    assert (await node.find("a")).due_at == NOW + 90
    assert (await node.find("b")).due_at == NOW


async def test_what_cannot_be_finished_is_given_back_and_due_still(node: Node) -> None:
    await node.put("a", "b")
    node.open.clear()
    node.worker.start()
    await until(lambda: node.running == 2)
    assert (await node.find("a")).is_leased(NOW)
    await node.worker.drain(0)
    assert (node.done, node.running) == ([], 0)
    for subject in "ab":
        row = await node.find(subject)
        assert (row.owner, row.lease_until, row.due_at, row.failures) == (None, None, NOW, 0)


async def test_a_drain_at_any_moment_leaves_nothing_leased(node: Node, clock: Time) -> None:
    node.open.clear()
    for number in range(40):
        await node.put(f"source-{number}")
        worker = Worker(node.leases, node.schedule, clock, node.do, node.has_news, concurrency=4)
        worker.start()
        await asyncio.sleep(number * 0.0005)
        await worker.drain(0)
        assert [due.subject for due in await node.schedule.list() if due.owner is not None] == []


async def test_who_lost_its_lease_ends_nothing(database: Database, clock: Time) -> None:
    node = Node(database, clock, lease_seconds=1)
    await node.put("a")
    node.open.clear()
    node.worker.start()
    await until(lambda: node.running == 1)
    # It looks no more, or it would take its own work over; and it may renew its lease between the next two lines.
    node.worker.stop()
    others, other = LeaseService(database, clock, seconds=60, per_host=1), None
    while other is None:
        clock.now += 60
        other = await others.claim(Work.PROBE, "a")
    await until(lambda: node.running == 0)
    await node.worker.drain(SOON_S)
    row = await node.find("a")
    assert (row.owner, row.due_at, row.outcome) == (other.token, NOW, None)
    assert (node.done, node.worker.status().runs) == ([], {})


async def test_what_the_dead_held_is_taken_over(node: Node, clock: Time) -> None:
    await node.put("a")
    assert len(await node.leases.claim_due(1)) == 1
    assert await node.worker.finish_due() == []
    clock.now += 61
    assert [one.subject for one in await node.worker.finish_due()] == ["a"]


async def test_news_is_heeded_without_a_row(node: Node) -> None:
    def answer(_: Lease) -> Outcome:
        node.news = False
        return Outcome(Result.CHANGED)

    node.answer = answer
    node.news = True
    async with node.working():
        await until(lambda: node.done == [(Work.NOTIFY, "")])
        for _ in range(3):
            await look(node)
    assert node.done == [(Work.NOTIFY, "")]
    assert (await node.find("", Work.NOTIFY)).owner is None


async def test_news_that_cannot_be_told_backs_off(node: Node, clock: Time) -> None:
    def answer(_: Lease) -> Outcome:
        raise PfnError(Code.INTERNAL, "It does not work.")

    node.answer = answer
    node.news = True
    async with node.working():
        await until(lambda: len(node.done) == 1)
        while (await node.find("", Work.NOTIFY)).failures == 0:
            await look(node)
        for _ in range(3):
            await look(node)
        assert len(node.done) == 1
        clock.now += 10
        node.worker.wake()
        await until(lambda: len(node.done) == 2)


async def test_news_that_cannot_be_read_holds_up_nothing_else(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> bool:
        raise RuntimeError("no news")

    monkeypatch.setattr(node.worker, "_has_news", fail)
    await node.put("a")
    assert [one.subject for one in await node.worker.finish_due()] == ["a"]


async def test_an_idle_worker_writes_nothing(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    await node.put("later", due_at=NOW + 1_000)
    written: list[str] = []
    write = Database.write

    def count(database: Database) -> object:
        written.append("a transaction")
        return write(database)

    monkeypatch.setattr(Database, "write", count)
    async with node.working():
        for _ in range(5):
            await look(node)
    assert written == []


async def test_a_database_that_is_away_for_a_moment_stops_nobody(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail() -> int:
        raise OSError("no database")

    await node.put("a")
    async with node.working():
        with monkeypatch.context() as patch:
            patch.setattr(node.schedule, "next_due_at", fail)
            node.worker.wake()
            await asyncio.sleep(0.05)
        node.worker.wake()
        await until(lambda: node.done == [(Work.PROBE, "a")])


async def test_what_comes_due_while_it_runs_is_done_too(node: Node, clock: Time) -> None:
    def answer(lease: Lease) -> Outcome:
        if lease.due.subject == "a":
            clock.now += 5
        return Outcome(Result.UNCHANGED)

    node.answer = answer
    await node.put("a")
    await node.put("b", due_at=NOW + 5)
    await node.put("c", due_at=NOW + 6)
    assert [one.subject for one in await node.worker.finish_due()] == ["a", "b"]
    assert await node.worker.finish_due() == []
