"""Leases: heartbeats keep one for as long as the block runs; where it is lost the block is cancelled and told."""

import asyncio
from collections.abc import Callable

import pytest

from pfn.domain.schedule import Work
from pfn.protocol.errors import Code, PfnError
from pfn.services.lease import Lease, LeaseService
from pfn.storage.database import Database
from pfn.storage.schedule import get_due


class Time:
    """A clock that only moves when it is told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def leases(database: Database, clock: Time) -> LeaseService:
    return LeaseService(database, clock, seconds=1, per_host=1)


async def claim(leases: LeaseService, subject: str = "a") -> Lease:
    lease = await leases.claim(Work.SYNC, subject)
    assert lease is not None
    return lease


async def lasts_until(database: Database, end: float) -> bool:
    async with database.read() as connection:
        due = await get_due(connection, Work.SYNC, "a")
    assert due is not None
    return due.lease_until == end


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


async def test_heartbeats_keep_a_lease_far_beyond_its_length(
    database: Database, leases: LeaseService, clock: Time
) -> None:
    lease = await claim(leases)
    async with leases.keep(lease):
        for _ in range(3):
            clock.now += 1
            while not await lasts_until(database, clock.now + 1):
                await asyncio.sleep(0.01)
            assert await leases.claim(Work.SYNC, "a") is None
    clock.now += 3
    assert await leases.claim(Work.SYNC, "a") is not None, "keep ended, the heartbeats with it"


async def test_a_lease_lasts_its_whole_length_wherever_in_a_second_it_began(leases: LeaseService, clock: Time) -> None:
    clock.now = 1_000.9
    await claim(leases)
    clock.now = 1_001.8
    assert await leases.claim(Work.SYNC, "a") is None
    clock.now = 1_002.0
    assert await leases.claim(Work.SYNC, "a") is not None


async def test_who_lost_a_lease_is_cancelled_and_told(leases: LeaseService, clock: Time) -> None:
    lease = await claim(leases)
    reached: list[str] = []

    async def work() -> None:
        async with leases.keep(lease):
            clock.now += 5
            assert await leases.claim(Work.SYNC, "a") is not None
            reached.append("before")
            await asyncio.sleep(60)
            reached.append("after")

    with pytest.raises(PfnError) as lost:
        await work()
    assert lost.value.code is Code.LEASE_LOST
    assert reached == ["before"]
    # The task itself lives on as if nothing had been cancelled.
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    await asyncio.sleep(0)
    assert await leases.end(lease) is False


async def test_who_is_cancelled_by_others_hears_of_that(leases: LeaseService) -> None:
    lease = await claim(leases)
    began = asyncio.Event()

    async def work() -> None:
        async with leases.keep(lease):
            began.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await leases.end(lease) is True


async def test_an_error_in_the_block_is_that_error(leases: LeaseService) -> None:
    lease = await claim(leases)
    with pytest.raises(ZeroDivisionError):
        async with leases.keep(lease):
            raise ZeroDivisionError
    assert await leases.end(lease) is True


async def test_a_database_that_is_away_for_a_moment_is_no_lost_lease(
    leases: LeaseService, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = await claim(leases)
    tried: list[str] = []

    async def fail(*_: object, **__: object) -> bool:
        tried.append("heartbeat")
        raise OSError("no database")

    with monkeypatch.context() as patch:
        patch.setattr("pfn.services.lease.renew_lease", fail)
        async with leases.keep(lease):
            await until(lambda: len(tried) == 2)
    assert await leases.end(lease) is True


async def test_who_waits_gets_it_when_it_is_given_back(leases: LeaseService) -> None:
    first = await claim(leases)
    waiting = asyncio.create_task(leases.wait_for(Work.SYNC, "a"))
    await asyncio.sleep(0.25)
    assert not waiting.done()
    await leases.end(first)
    second = await asyncio.wait_for(waiting, 10)
    assert second.token != first.token


async def test_who_is_alone_frees_all(leases: LeaseService) -> None:
    for subject in "ab":
        await claim(leases, subject)
    assert await leases.free_all() == 2
    assert await leases.claim(Work.SYNC, "a") is not None
