"""How one process hears that another wrote events: told by PostgreSQL, also after the connection broke."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from tests.support.rows import create_database

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.news import ListenedNews, open_news

EVENT = Activity(ActivityType.FEDERATION_EVENT, 1, "node", describe("noted", "It was noted."))
LISTENERS = "SELECT pid FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()"


@pytest.fixture
async def postgres_rows(request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    """A migrated PostgreSQL database."""
    template = request.getfixturevalue("migrated_postgres")
    database = Database(create_database(request.getfixturevalue("postgres"), "pfn_news", template))
    yield database
    await database.close()


async def write(database: Database) -> None:
    async with database.write() as connection:
        await add_activities(connection, [EVENT])


async def fail_to_write(database: Database) -> None:
    async with database.write() as connection:
        await add_activities(connection, [EVENT])
        raise ZeroDivisionError


async def test_a_commit_is_told_and_what_is_taken_back_is_not(postgres_rows: Database):
    news = open_news(postgres_rows)
    assert isinstance(news, ListenedNews)
    told = asyncio.Event()
    async with news.hear(told.set):
        async with asyncio.timeout(60):
            await told.wait()
            assert news.pause > 20, "it is still looking, not listening"
            told.clear()
            with pytest.raises(ZeroDivisionError):
                await fail_to_write(postgres_rows)
            await asyncio.sleep(0.1)
            assert not told.is_set()
            await write(postgres_rows)
            await told.wait()
            # A broken connection is made again, and whoever listens looks for what it missed meanwhile.
            told.clear()
            async with postgres_rows.write() as connection:
                (pid,) = (await connection.execute(text(LISTENERS))).scalars()
                await connection.execute(text(f"SELECT pg_terminate_backend({pid})"))
            await told.wait()
            assert news.pause < 20
            while news.pause < 20:
                await asyncio.sleep(0.05)
            told.clear()
            await write(postgres_rows)
            await told.wait()


async def test_nobody_tells_on_sqlite(tmp_path):
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/node.db")
    news = open_news(database)
    async with news.hear(lambda: pytest.fail("nobody told")):
        assert news.pause == 1
    await database.close()
