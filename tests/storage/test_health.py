"""Rows of health: the state and the hours of one source, and what lists need of all."""

from dataclasses import replace

from tests.support.records import ANN, BOB, add_sources

from pfn.domain.health import Health, HealthHour, HealthState
from pfn.storage.database import Database
from pfn.storage.health import (
    count_answered,
    forget_hours,
    get_health,
    get_hour,
    list_health,
    list_hours,
    put_health,
    put_hour,
)
from pfn.storage.source import forget_source

DOWN = Health(
    HealthState.DOWN,
    since=2**40,
    checked_at=2**40 + 1,
    good_row=0,
    bad_row=4,
    last_seen=2**40 - 1,
    response_ms=None,
    last_code="source_unreachable",
    last_error="The publisher “there” cannot be reached.",
    last_error_at=2**40 + 1,
)


async def test_health_comes_back_as_it_was_put_and_is_one_row(database: Database):
    well = replace(DOWN, state=HealthState.HEALTHY, response_ms=7, good_row=2, bad_row=0)
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        assert await get_health(connection, ANN) is None
        for health in (well, DOWN):
            await put_health(connection, ANN, health)
            assert await get_health(connection, ANN) == health
        await put_health(connection, BOB, well)
        assert await list_health(connection) == {ANN: DOWN, BOB: well}


async def test_hours_come_back_as_they_were_put(database: Database):
    full = HealthHour(7, probes=9, failed=2, worst=0.5, triggered=True, times=(3, 1, 2))
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        assert await get_hour(connection, ANN, 7) == HealthHour(7)
        await put_hour(connection, ANN, HealthHour(7, probes=1))
        await put_hour(connection, ANN, full)
        await put_hour(connection, ANN, HealthHour(6))
        await put_hour(connection, ANN, HealthHour(5))
        await put_hour(connection, BOB, HealthHour(7))
        assert await get_hour(connection, ANN, 7) == full
        assert await list_hours(connection, ANN, 6) == [HealthHour(6), full]


async def test_what_was_answered_is_counted_for_several_periods_at_once(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB, "new@three.example")
        for hour in range(10):
            await put_hour(connection, ANN, HealthHour(hour, probes=6, failed=hour % 2))
        await put_hour(connection, BOB, HealthHour(3, probes=1))
        assert await count_answered(connection, [9, 5, 0]) == {
            ANN: ((6, 1), (30, 3), (60, 5)),
            BOB: ((0, 0), (0, 0), (1, 0)),
        }
        assert await count_answered(connection, [10]) == {}


async def test_old_hours_are_forgotten_and_no_others(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for source in (ANN, BOB):
            for hour in range(5):
                await put_hour(connection, source, HealthHour(hour))
        assert await forget_hours(connection, 3) == 6
        assert [one.hour for one in await list_hours(connection, BOB, 0)] == [3, 4]
        assert await forget_hours(connection, 3) == 0


async def test_health_goes_with_its_source(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put_health(connection, ANN, DOWN)
        await put_hour(connection, ANN, HealthHour(1))
        await forget_source(connection, ANN)
        assert await list_health(connection) == {}
        assert await list_hours(connection, ANN, 0) == []
