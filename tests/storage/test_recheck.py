"""Rechecks: which blobs are looked at next, what is known of them afterwards, and what the day's row says."""

from sqlalchemy import select
from tests.support.records import ANN, BOB, VERDICT, add_sources, make_release

from pfn.storage.database import Database
from pfn.storage.recheck import add_recheck, list_unchecked, mark_checked, mark_corrupt
from pfn.storage.release import add_release, find_blobs, get_release, newest_blobs
from pfn.storage.schema import rechecks

RELEASES = [make_release("hello", f"1.{number}") for number in range(4)]
DIGESTS = [one.blob.sha256 for one in RELEASES]


async def put(connection, *releases):
    for release in releases:
        await add_release(connection, release, VERDICT)


async def next_ones(connection, before: int, limit: int = 9) -> list[list[str]]:
    found = await list_unchecked(connection, ANN, before=before, limit=limit)
    return [[f"{one.plugin_id} {one.version}" for one in releases] for releases in found]


async def test_bytes_that_arrive_again_are_damaged_no_more(database: Database) -> None:
    """They lie there anew, whoever brought them: of the old ones nothing is left."""
    release, same = make_release(content=b"same"), make_release(source_id=BOB, content=b"same")
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await add_release(connection, release, VERDICT)
        assert await mark_corrupt(connection, release.blob.sha256, 50)
    async with database.write() as connection:
        await add_release(connection, same, VERDICT)
    async with database.read() as connection:
        for source_id in (ANN, BOB):
            found = await get_release(connection, source_id, "hello", "1.0")
            assert found is not None
            assert not found.blob.corrupt


async def test_the_longest_unchecked_come_first_those_never_looked_at_before_all(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await put(connection, *RELEASES, make_release("other", source_id=BOB))
        for at, digest in zip((30, 10, 20), DIGESTS, strict=False):
            await mark_checked(connection, [digest], at)
        assert await next_ones(connection, 100) == [["hello 1.3"], ["hello 1.1"], ["hello 1.2"], ["hello 1.0"]]
        assert await next_ones(connection, 100, 2) == [["hello 1.3"], ["hello 1.1"]]
        assert await next_ones(connection, 20) == [["hello 1.3"], ["hello 1.1"]]
        await mark_checked(connection, DIGESTS, 100)
        assert await next_ones(connection, 100) == []


async def test_damaged_ones_come_before_all(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put(connection, *RELEASES[:3])
        await mark_checked(connection, DIGESTS[1:], 50)
        assert await mark_corrupt(connection, DIGESTS[2], 50)
        assert await next_ones(connection, 100) == [["hello 1.2"], ["hello 1.0"], ["hello 1.1"]]


async def test_one_blob_of_several_releases_is_looked_at_once(database: Database):
    twins = [make_release(slug, "2.0", content=b"same") for slug in ("a", "b")]
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await put(connection, *twins, make_release("c", "2.0", BOB, content=b"same"), make_release("a", "1.0"))
        await mark_checked(connection, [make_release("a", "1.0").blob.sha256], 5)
        assert await next_ones(connection, 100) == [["a 2.0", "b 2.0"], ["a 1.0"]]


async def test_damage_is_news_once_and_so_is_its_end(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put(connection, RELEASES[0])
        assert not await mark_corrupt(connection, DIGESTS[0], None)
        assert await mark_corrupt(connection, DIGESTS[0], 7)
        assert not await mark_corrupt(connection, DIGESTS[0], 8)
        release = await get_release(connection, ANN, "hello", "1.0")
        assert release is not None
        assert release.blob.corrupt
        assert [blob.corrupt for blob in await newest_blobs(connection, limit=1)] == [True]
        assert await find_blobs(connection, DIGESTS[:1]) == {}
        assert await mark_corrupt(connection, DIGESTS[0], None)
        assert await get_release(connection, ANN, "hello", "1.0") == RELEASES[0]
        assert await newest_blobs(connection, limit=1) == [RELEASES[0].blob]


async def test_a_days_rechecks_add_up(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for source, day, checked, failed in ((ANN, 7, 3, 0), (ANN, 7, 2, 1), (ANN, 8, 1, 0), (BOB, 7, 9, 0)):
            await add_recheck(connection, source, day, checked=checked, failed=failed)
        found = {tuple(row) for row in await connection.execute(select(rechecks))}
    assert found == {(ANN, 7, 5, 1), (ANN, 8, 1, 0), (BOB, 7, 9, 0)}
