"""Counting on a clock the test holds: each site once a day, old days as one sum, nothing lost but by a crash."""

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError
from tests.services.conftest import StandingClock
from tests.support.records import ANN, add_sources, make_release, offer

from pfn.domain.usage import DAY_S, KEEP_USAGE_DAYS, Usage, UsageDay
from pfn.services.housekeeping import HousekeepingService
from pfn.services.usage import UsageService
from pfn.storage.database import Database
from pfn.storage.schema import usage_days

ONE, TWO = (ANN, "one"), (ANN, "two")


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
async def usage(database: Database, clock: StandingClock) -> UsageService:
    """The service, where one 1.0, one 1.1 and two 2.0 are mirrored."""
    async with database.write() as connection:
        await add_sources(connection)
        await offer(connection, *(make_release(*named) for named in (("one", "1.0"), ("one", "1.1"), ("two", "2.0"))))
    return UsageService(database, clock)


async def rows(database: Database) -> set[tuple[str, str, int, int]]:
    """Give (slug, version, downloads, installs) of every row."""
    table = usage_days
    query = select(table.c.plugin_id, table.c.version, table.c.downloads, table.c.installs)
    async with database.read() as connection:
        return {(row[0], row[1], row[2], row[3]) for row in await connection.execute(query)}


async def test_downloads_add_up_flush_by_flush(usage: UsageService, database: Database) -> None:
    for _ in range(3):
        usage.count_download(*ONE, "1.0")
    usage.count_download(*ONE, "1.1")
    assert (await usage.totals([ONE]))[ONE] == Usage(0, 0)
    await usage.flush()
    await usage.flush()
    usage.count_download(*ONE, "1.0")
    await usage.flush()
    assert await rows(database) == {("one", "1.0", 4, 0), ("one", "1.1", 1, 0)}
    assert await usage.totals([ONE, TWO]) == {ONE: Usage(5, 0), TWO: Usage(0, 0)}


async def test_a_site_counts_once_a_day_for_each_plugin(
    usage: UsageService, database: Database, clock: StandingClock
) -> None:
    for _ in range(2):
        usage.count_sites("https://blog.example/", [(*ONE, "1.0"), (*TWO, "2.0")])
        await usage.flush()
    # It updated meanwhile: still one site.
    usage.count_sites("https://blog.example/", [(*ONE, "1.1")])
    usage.count_sites("https://shop.example/", [(*ONE, "1.1")])
    usage.count_sites("", [(*ONE, "1.0")])
    await usage.flush()
    assert await rows(database) == {("one", "1.0", 0, 1), ("one", "1.1", 0, 1), ("two", "2.0", 0, 1)}
    clock.now += DAY_S
    usage.count_sites("https://blog.example/", [(*ONE, "1.1")])
    await usage.flush()
    today = int(clock.now) // DAY_S
    assert await usage.history(*ONE, 1) == [UsageDay(today, "1.1", 0, 1)]
    assert len(await usage.history(*ONE, 2)) == 3


async def test_no_stranger_makes_rows(usage: UsageService, database: Database) -> None:
    for number in range(50):
        version = f"9.{number}" if number % 2 else "x" * 70
        usage.count_sites(f"https://{number}.example/", [(*ONE, version)])
    await usage.flush()
    assert await rows(database) == {("one", "", 0, 50)}
    assert (await usage.totals([ONE]))[ONE] == Usage(0, 50)


async def test_a_full_memory_counts_no_more_sites_until_the_next_day(
    database: Database, usage: UsageService, clock: StandingClock
) -> None:
    small = UsageService(database, clock, most_marks=5)
    for _ in range(2):
        for number in range(9):
            small.count_sites(f"https://{number}.example/", [(*ONE, "1.0"), (*TWO, "2.0")])
        await small.flush()
        clock.now += DAY_S
    assert {day.installs for day in await usage.history(*ONE, 9)} == {3}
    assert {day.installs for day in await usage.history(*TWO, 9)} == {2}


async def test_what_cannot_be_written_is_written_later(
    usage: UsageService, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage.count_download(*ONE, "1.0")
    usage.count_sites("https://blog.example/", [(*ONE, "1.0")])

    async def fail(*_: object) -> None:
        usage.count_download(*ONE, "1.0")  # requests go on meanwhile
        raise OperationalError("the disk is full", None, Exception())

    with monkeypatch.context() as patch:
        patch.setattr("pfn.services.usage.add_usage", fail)
        with pytest.raises(OperationalError):
            await usage.flush()
    await usage.flush()
    assert await rows(database) == {("one", "1.0", 2, 1)}


async def test_the_end_of_the_node_writes_what_was_counted(usage: UsageService, database: Database) -> None:
    async with usage.flushing():
        usage.count_download(*ONE, "1.0")
    assert await rows(database) == {("one", "1.0", 1, 0)}


async def test_two_processes_add_to_one_sum(usage: UsageService, database: Database, clock: StandingClock) -> None:
    other = UsageService(database, clock)
    for service in (usage, other):
        service.count_download(*ONE, "1.0")
        await service.flush()
    assert await rows(database) == {("one", "1.0", 2, 0)}


async def test_old_days_become_one_sum_and_no_total_falls(
    usage: UsageService, database: Database, clock: StandingClock
) -> None:
    today = int(clock.now) // DAY_S
    days = (today - KEEP_USAGE_DAYS - 1, today - KEEP_USAGE_DAYS - 2, today - KEEP_USAGE_DAYS, today)
    for _ in range(2):
        async with database.write() as connection:
            await connection.execute(
                insert(usage_days),
                [
                    {"source_id": ANN, "plugin_id": "one", "version": "1.0", "day": day, "downloads": 10, "installs": 3}
                    for day in days
                ],
            )
        before = await usage.totals([ONE])
        tidied = await HousekeepingService(database, clock, events_keep_days=0, history_keep_days=365).tidy()
        assert tidied.detail == "Forgot 2 days of use."
        assert await usage.totals([ONE]) == before
        days = days[:2]
    async with database.read() as connection:
        found = {(row.day, row.downloads) for row in await connection.execute(select(usage_days))}
    assert found == {(0, 40), (today - KEEP_USAGE_DAYS, 10), (today, 10)}
