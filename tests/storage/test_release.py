"""Rows of releases: written once, their bytes shared, ordered as WordPress orders versions."""

import asyncio
import random
from dataclasses import fields, replace

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from tests.support.records import ANN, BOB, VERDICT, add_sources, make_blob, make_release, offer

from pfn.domain.release import Release, ReleaseRecord, SignatureLevel
from pfn.storage.database import Database
from pfn.storage.release import (
    add_release,
    add_version_updates,
    forget_source_releases,
    get_release,
    known_releases,
    list_releases,
    list_yanked,
    mark_releases,
    newest_blobs,
    newest_versions,
    point_newest,
    refresh_newest,
    releases_among,
)
from pfn.storage.schema import blobs, plugin_tags, plugins, version_updates

UNSIGNED = make_release(
    level=SignatureLevel.NONE, signature=None, description=None, author=None, tags=(), facts={}, mirror_date=2**40
)
# As php -r 'version_compare(...)' orders them; no textual or semantic order gives this.
OLDEST_TO_NEWEST = ("1.0-dev", "1.0-alpha", "1.0-beta2", "1.0-beta10", "1.0RC1", "1.0", "1.0.0", "1.9", "1.10", "2")


SIGNED = make_release(level=SignatureLevel.ARTIFACT, statement_sequence=7)


@pytest.mark.parametrize("release", [make_release(), UNSIGNED, SIGNED])
async def test_a_release_comes_back_as_it_was_put(database: Database, release):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await add_release(connection, release, VERDICT)
    async with database.read() as connection:
        assert await get_release(connection, ANN, "hello", "1.0") == release
        assert await get_release(connection, ANN, "hello", "1.00") is None
        assert await get_release(connection, BOB, "hello", "1.0") is None


@pytest.mark.parametrize("second", [make_release(), make_release(content=b"other bytes", name="Other")])
async def test_a_version_is_written_once(database: Database, second):
    first = make_release()
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await add_release(connection, first, VERDICT)
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await add_release(connection, second, VERDICT)
    async with database.read() as connection:
        assert await get_release(connection, ANN, "hello", "1.0") == first
        # What was refused left nothing behind.
        assert await newest_blobs(connection, limit=9) == [first.blob]


async def test_of_two_that_write_one_version_at_once_one_wins(nodes: tuple[Database, Database]):
    async with nodes[0].write() as connection:
        await add_sources(connection, ANN)

    async def write(database: Database, content: bytes) -> bytes:
        async with database.write() as connection:
            await add_release(connection, make_release(content=content), VERDICT)
            await asyncio.sleep(0.02)
        return content

    outcomes = await asyncio.gather(
        *(write(nodes[number % 2], b"%d" % number) for number in range(4)), return_exceptions=True
    )
    winners = [one for one in outcomes if isinstance(one, bytes)]
    assert sum(isinstance(one, IntegrityError) for one in outcomes) == 3
    async with nodes[0].read() as connection:
        release = await get_release(connection, ANN, "hello", "1.0")
    assert release is not None
    assert [make_blob(one) for one in winners] == [release.blob]


async def test_a_version_that_is_yanked_or_blocked_gives_way_to_the_next(database: Database):
    releases = [make_release(version=version, mirror_date=number) for number, version in enumerate(("1.9", "1.10"))]
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await offer(connection, *releases)

        async def newest_after(version: str, **marks: object) -> str | None:
            await mark_releases(connection, ANN, "hello", version, **marks)
            await refresh_newest(connection, ANN, "hello")
            release = await get_release(connection, ANN, "hello")
            return None if release is None else release.version

        assert await newest_after("1.10", yanked_at=5, yank_reason="It deletes files.") == "1.9"
        assert await list_yanked(connection, ANN) == [("hello", "1.10")]
        assert await newest_after("1.9", block_reason="The operator says so.") is None
        assert await newest_versions(connection, ANN, ["hello"]) == {}
        assert await newest_after("1.10", yanked_at=None, yank_reason=None) == "1.10"
        yanked = await get_release(connection, ANN, "hello", "1.9")
        assert yanked == replace(releases[0], block_reason="The operator says so.")


async def test_the_same_version_of_another_plugin_or_source_is_another_release(database: Database):
    releases = [make_release(), make_release("other"), make_release(source_id=BOB), make_release(version="1.0.0")]
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for release in releases:
            await add_release(connection, release, VERDICT)
        for release in releases:
            assert await get_release(connection, release.source_id, release.plugin_id, release.version) == release


async def test_equal_bytes_are_one_blob(database: Database):
    first = make_release(content=b"shared")
    second = make_release(source_id=BOB, content=b"shared", mirror_date=9_000)
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await add_release(connection, first, VERDICT)
        await add_release(connection, second, VERDICT)
        rows = (await connection.execute(select(blobs.c.stored_at, blobs.c.manifest))).all()
        assert await get_release(connection, ANN, "hello", "1.0") == first
        assert await get_release(connection, BOB, "hello", "1.0") == second
    assert rows == [(first.mirror_date, list(VERDICT.manifest))]


async def test_a_release_needs_its_source(database: Database):
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await add_release(connection, make_release(), VERDICT)


async def test_the_newest_is_the_one_pointed_at(database: Database):
    old, new = make_release(tags=("Old", "both")), make_release(version="1.1", tags=("New", "BOTH", "both"))
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await add_release(connection, old, VERDICT)
        assert await get_release(connection, ANN, "hello") is None
        await point_newest(connection, old)
        assert await get_release(connection, ANN, "hello") == old
        await add_release(connection, new, VERDICT)
        assert await get_release(connection, ANN, "hello") == old
        await point_newest(connection, new)
        assert await get_release(connection, ANN, "hello") == new
        assert await newest_versions(connection, ANN, ["hello", "other"]) == {"hello": "1.1"}
        assert await newest_versions(connection, BOB, ["hello"]) == {}
        tags = (await connection.execute(select(plugin_tags.c.tag).order_by(plugin_tags.c.tag))).scalars().all()
        assert (await connection.execute(select(func.count()).select_from(plugins))).scalar_one() == 1
    assert tags == ["both", "new"]


@pytest.mark.parametrize("seed", range(3))
async def test_releases_are_listed_newest_first_as_wordpress_orders_them(database: Database, seed):
    shuffled = random.Random(seed).sample(OLDEST_TO_NEWEST, len(OLDEST_TO_NEWEST))
    async with database.write() as connection:
        await add_sources(connection, ANN)
        for version in shuffled:
            await add_release(connection, make_release(version=version), VERDICT)
        found = await list_releases(connection, [(ANN, "hello")])
    assert [one.version for one in found[ANN, "hello"]] == list(reversed(OLDEST_TO_NEWEST))


def record_of(release: Release) -> ReleaseRecord:
    return ReleaseRecord(**{each.name: getattr(release, each.name) for each in fields(ReleaseRecord)})


async def test_a_list_of_many_plugins_mixes_nothing_up(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for source_id in (ANN, BOB):
            for plugin_id in ("a", "b"):
                await add_release(connection, make_release(plugin_id, source_id=source_id), VERDICT)
        await add_release(connection, make_release("a", "2.0"), VERDICT)
        found = await list_releases(connection, [(ANN, "a"), (BOB, "b"), (BOB, "nothing")])
        assert await list_releases(connection, []) == {}
    assert found == {
        (ANN, "a"): (record_of(make_release("a", "2.0")), record_of(make_release("a"))),
        (BOB, "b"): (record_of(make_release("b", source_id=BOB)),),
        (BOB, "nothing"): (),
    }


async def test_releases_among_tells_which_of_those_asked_for_are_here(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for release in (make_release("a"), make_release("a", "2.0"), make_release("b"), make_release("c", "3.0", BOB)):
            await add_release(connection, release, VERDICT)
        asked = [("a", "1.0"), ("b", "2.0"), ("c", "3.0"), ("nothing", "1.0")]
        assert await releases_among(connection, ANN, asked) == {("a", "1.0"): make_release("a").blob.sha256}
        assert await releases_among(connection, ANN, []) == {}
        assert (await known_releases(connection, ANN)).keys() == {("a", "1.0"), ("a", "2.0"), ("b", "1.0")}
        assert (await known_releases(connection, BOB)).keys() == {("c", "3.0")}


async def test_the_newest_blobs_come_first(database: Database):
    releases = [make_release(version=f"1.{number}", mirror_date=number) for number in range(5)]
    async with database.write() as connection:
        await add_sources(connection, ANN)
        for release in releases:
            await add_release(connection, release, VERDICT)
        assert await newest_blobs(connection, limit=2) == [releases[4].blob, releases[3].blob]


async def test_forgetting_takes_one_sources_releases_and_what_is_derived_from_them(database: Database):
    shared = make_release(content=b"shared")
    kept = make_release(source_id=BOB, content=b"shared")
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await offer(connection, shared, make_release("other"), kept)
        for release in (shared, kept):
            await add_version_updates(connection, [(release, "0.0.0")])
        assert await forget_source_releases(connection, ANN) == 2
        assert await forget_source_releases(connection, ANN) == 0
    async with database.read() as connection:
        assert await known_releases(connection, ANN) == {}
        assert await get_release(connection, BOB, "hello") == kept
        for table in (plugins, plugin_tags, version_updates):
            assert set((await connection.execute(select(table.c.source_id))).scalars()) == {BOB}, table.name
