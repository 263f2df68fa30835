"""The schedule follows the status of sources, fills what is missing, and plans by what came of a run and by trust."""

from dataclasses import replace

import pytest
from tests.support.records import ANN, BOB, make_source

from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.source import SourceStatus
from pfn.services.lease import LeaseService
from pfn.services.schedule import ScheduleService, make_paces
from pfn.storage.database import Database
from pfn.storage.source import add_source

NOW = 1_000.0
PACES = make_paces(sync=3600, probe=600, verify=86_400, recheck=86_400, scrub=86_400)


@pytest.fixture
def leases(database: Database) -> LeaseService:
    return LeaseService(database, lambda: NOW, seconds=60, per_host=4)


@pytest.fixture
def schedule(database: Database) -> ScheduleService:
    return ScheduleService(database, lambda: NOW, PACES, dice=lambda: 0.0)


async def due(schedule: ScheduleService, subject: str = ANN) -> dict[Work, int]:
    return {row.kind: row.due_at for row in await schedule.list(subject)}


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (SourceStatus.PENDING, {Work.VERIFY: 1_000, Work.PROBE: 1_000}),
        (SourceStatus.ERROR, {Work.VERIFY: 87_400, Work.PROBE: 1_000}),
        (
            SourceStatus.VERIFIED,
            {Work.VERIFY: 87_400, Work.PROBE: 1_000, Work.SYNC: 1_000, Work.RECHECK: 87_400},
        ),
        (SourceStatus.SUSPENDED, {}),
        (SourceStatus.REMOVED, {}),
    ],
)
async def test_what_is_due_follows_the_status(
    database: Database, schedule: ScheduleService, status: SourceStatus, wanted: dict[Work, int]
) -> None:
    source = make_source(status=status)
    async with database.write() as connection:
        await schedule.follow(connection, replace(source, status=SourceStatus.PENDING))
        await schedule.follow(connection, replace(source, status=SourceStatus.SUSPENDED))
        await schedule.follow(connection, source)
    assert await due(schedule) == wanted


async def test_following_again_changes_nothing_and_harms_no_other(
    database: Database, schedule: ScheduleService, leases: LeaseService
) -> None:
    async with database.write() as connection:
        for source_id in (ANN, BOB):
            await schedule.follow(connection, make_source(source_id))
    lease = await leases.claim(Work.SYNC, ANN)
    assert lease is not None
    await schedule.finish(lease, Outcome(Result.UNCHANGED))
    before = await schedule.list()
    async with database.write() as connection:
        await schedule.follow(connection, make_source())
    assert await schedule.list() == before
    async with database.write() as connection:
        await schedule.follow(connection, make_source(status=SourceStatus.REMOVED))
    assert {row.subject for row in await schedule.list()} == {BOB}


async def test_what_is_missing_is_filled_once(database: Database, schedule: ScheduleService) -> None:
    async with database.write() as connection:
        await add_source(connection, make_source())
        await add_source(connection, make_source(BOB, status=SourceStatus.SUSPENDED))
    await schedule.fill()
    filled = await schedule.list()
    assert {(row.kind, row.subject) for row in filled} == {
        (Work.VERIFY, ANN),
        (Work.PROBE, ANN),
        (Work.SYNC, ANN),
        (Work.RECHECK, ANN),
        (Work.TIDY, ""),
        (Work.COLLECT, ""),
        (Work.SCRUB, ""),
    }
    await schedule.fill()
    assert await schedule.list() == filled


async def test_quiet_sources_are_asked_later(
    database: Database, schedule: ScheduleService, leases: LeaseService
) -> None:
    async with database.write() as connection:
        await add_source(connection, make_source())
        await schedule.follow(connection, make_source())
    lease = await leases.claim(Work.SYNC, ANN)
    assert lease is not None
    assert await schedule.finish(lease, Outcome(Result.UNCHANGED))
    assert (await due(schedule))[Work.SYNC] == NOW + 5400
    assert not await schedule.finish(lease, Outcome(Result.CHANGED)), "it was given back already"


@pytest.mark.parametrize(("trust", "wait"), [(1.0, 900), (0.5, 1350), (0.0, 1800)])
async def test_distrusted_sources_are_asked_less_often_however_busy(
    database: Database, schedule: ScheduleService, leases: LeaseService, trust: float, wait: int
) -> None:
    async with database.write() as connection:
        await add_source(connection, make_source(trust_score=trust))
        await schedule.follow(connection, make_source())
    for _ in range(8):
        lease = await leases.claim(Work.SYNC, ANN)
        assert lease is not None
        await schedule.finish(lease, Outcome(Result.CHANGED))
    assert (await due(schedule))[Work.SYNC] == NOW + wait


async def test_what_is_wanted_again_while_it_runs_is_done_again(
    database: Database, schedule: ScheduleService, leases: LeaseService
) -> None:
    lease = await leases.claim(Work.VERIFY, ANN)
    assert lease is not None
    async with database.write() as connection:
        await schedule.put(connection, Work.VERIFY, ANN, at=int(NOW))
    await schedule.finish(lease, Outcome(Result.UNCHANGED))
    assert await due(schedule) == {Work.VERIFY: int(NOW)}
