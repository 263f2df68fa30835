"""Trust by day, on both engines: the last look of a day stands, the days go with their source."""

from sqlalchemy import delete
from tests.support.records import ANN, BOB, add_sources

from pfn.storage.database import Database
from pfn.storage.schema import sources
from pfn.storage.trust_day import TrustDay, forget_trust_days, list_trust_days, put_trust_day


async def fill(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection)
        for day in (7, 9, 8):
            await put_trust_day(connection, ANN, TrustDay(day, 0.5, 0.5))
        await put_trust_day(connection, ANN, TrustDay(8, 0.0, 0.75))
        await put_trust_day(connection, BOB, TrustDay(8, 0.25, 0.25))


async def test_the_last_look_of_a_day_stands(database: Database) -> None:
    await fill(database)
    async with database.read() as connection:
        assert await list_trust_days(connection, ANN, 8) == [TrustDay(8, 0.0, 0.75), TrustDay(9, 0.5, 0.5)]
        assert await list_trust_days(connection, BOB, 0) == [TrustDay(8, 0.25, 0.25)]
    assert TrustDay(8, 0.5, 0.5).at == 8 * 86_400


async def test_old_days_go_and_those_of_a_purged_source(database: Database) -> None:
    await fill(database)
    async with database.write() as connection:
        assert await forget_trust_days(connection, 8) == 1
        await connection.execute(delete(sources).where(sources.c.id == BOB))
        assert [day.day for day in await list_trust_days(connection, ANN, 0)] == [8, 9]
        assert await list_trust_days(connection, BOB, 0) == []
