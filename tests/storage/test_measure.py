"""Counting rows for whoever watches, on both engines."""

from tests.support.records import ANN, BOB, make_release
from tests.support.troubled import CARL, HOUR, NOW, add_trouble

from pfn.domain.schedule import Work
from pfn.domain.source import SourceStatus
from pfn.domain.sync import SyncState
from pfn.storage.database import Database
from pfn.storage.measure import (
    BlobMeasure,
    SourceMeasure,
    WorkMeasure,
    count_all_plugins,
    count_all_releases,
    count_deliveries,
    count_failures,
    count_webhooks,
    measure_blobs,
    measure_sources,
    measure_work,
)


async def test_an_empty_node_is_measured_too(database: Database) -> None:
    async with database.read() as connection:
        assert await measure_sources(connection) == []
        assert await measure_work(connection, NOW) == {}
        assert await measure_blobs(connection) == BlobMeasure(0, 0, 0)
        assert await count_failures(connection) == {}
        assert await count_all_plugins(connection) == await count_all_releases(connection) == 0


async def test_sources_are_told_with_their_health_and_their_newest_sync(database: Database) -> None:
    async with database.write() as connection:
        await add_trouble(connection)
    async with database.read() as connection:
        assert await measure_sources(connection) == [
            SourceMeasure(ANN, SourceStatus.VERIFIED, "healthy", 0.75, 1_000, NOW - 10, SyncState.FINISHED),
            SourceMeasure(BOB, SourceStatus.ERROR, "down", 0.5, 1_000, None, SyncState.RUNNING),
            SourceMeasure(CARL, SourceStatus.SUSPENDED, None, 0.5, 1_000, None, None),
        ]


async def test_work_is_due_or_held_or_abandoned(database: Database) -> None:
    async with database.write() as connection:
        await add_trouble(connection)
    async with database.read() as connection:
        assert await measure_work(connection, NOW) == {
            Work.SYNC: WorkMeasure(due=2, oldest_due_at=NOW - 2 * HOUR, leased=0, abandoned=0),
            Work.PROBE: WorkMeasure(due=0, oldest_due_at=None, leased=1, abandoned=1),
            Work.TIDY: WorkMeasure(due=0, oldest_due_at=None, leased=0, abandoned=0),
        }


async def test_the_rest_is_counted(database: Database) -> None:
    async with database.write() as connection:
        await add_trouble(connection)
    size = sum(make_release(*names).blob.size for names in (("hello", "1.0"), ("hello", "2.0"), ("other", "1.0")))
    async with database.read() as connection:
        assert await count_failures(connection) == {"asset_missing": 1, "unsigned": 2}
        assert await count_deliveries(connection) == {"failed": 2, "pending": 1}
        assert await count_webhooks(connection) == {"active": 1, "disabled": 1}
        assert (await count_all_plugins(connection), await count_all_releases(connection)) == (2, 3)
        assert await measure_blobs(connection) == BlobMeasure(3, size, 1)
