"""Pages of the directory, on both databases: what is in them, in which order, and how many there are."""

from tests.support.records import ANN, BOB, add_sources, make_release, offer

from pfn.domain.source import SourceStatus
from pfn.domain.usage import UsageDay
from pfn.storage.database import Database
from pfn.storage.directory import (
    DirectoryQuery,
    Order,
    count_tags,
    find_listed,
    list_directory,
    list_mirrored_versions,
)
from pfn.storage.release import mark_releases, refresh_newest
from pfn.storage.slug import claim_slugs
from pfn.storage.source import change_source
from pfn.storage.usage import add_usage


async def fill(database: Database) -> None:
    """Two sources; `shared` is Ann's, though Bob has it as well."""
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await offer(
            connection,
            make_release("shared", "1.0", ANN, tags=("Two Words",), mirror_date=30),
            make_release("shared", "9.0", BOB, tags=("Two Words",), mirror_date=40),
            make_release("lone", "1.0", BOB, tags=("two-words", "error"), mirror_date=10),
            make_release("lone", "1.10", BOB, tags=("two-words", "error"), mirror_date=20),
            make_release("sky", "1.0", BOB, facts={"kind": "theme"}),
        )
        await claim_slugs(connection, ANN, ["shared"], 100, decided_by="node")
        await claim_slugs(connection, BOB, ["shared", "lone", "sky"], 200, decided_by="node")
        await change_source(connection, BOB, trust_score=0.9)
        await add_usage(
            connection, [((ANN, "shared"), UsageDay(5, "1.0", 3, 0)), ((BOB, "lone"), UsageDay(5, "", 1, 0))]
        )


async def ask(database: Database, **query: object) -> tuple[list[str], int]:
    async with database.read() as connection:
        found, total = await list_directory(connection, DirectoryQuery(**query))  # type: ignore[arg-type]
    return [f"{one.offered.slug} {one.offered.version}" for one in found], total


async def test_only_who_speaks_for_a_slug_is_listed(database: Database) -> None:
    await fill(database)
    assert await ask(database) == (["lone 1.10", "shared 1.0"], 2)
    assert await ask(database, kind="theme") == (["sky 1.0"], 1)
    assert await ask(database, author=BOB) == (["lone 1.10"], 1)
    assert await ask(database, without=("lone",)) == (["shared 1.0"], 1)
    async with database.write() as connection:
        await change_source(connection, ANN, status=SourceStatus.SUSPENDED)
    assert await ask(database) == (["lone 1.10"], 1)
    async with database.read() as connection:
        assert await find_listed(connection, "shared", "plugin") is None
        found = await find_listed(connection, "lone", "plugin")
        assert found is not None
        assert (found.offered.source_id, found.added_at) == (BOB, 200)
        assert await count_tags(connection, "plugin", limit=9) == {"error": 1, "two-words": 1}


async def test_orders_and_pages(database: Database) -> None:
    await fill(database)
    both = ["lone 1.10", "shared 1.0"]
    assert (await ask(database, order=Order.TRUSTED))[0] == both
    assert (await ask(database, order=Order.NEW))[0] == both
    assert (await ask(database, order=Order.POPULAR))[0] == both[::-1]
    assert (await ask(database, order=Order.UPDATED))[0] == both[::-1]
    assert await ask(database, per_page=1) == (both[:1], 2)
    assert await ask(database, per_page=1, page=2) == (both[1:], 2)
    assert await ask(database, per_page=1, page=3) == ([], 2)


async def test_words_and_tags(database: Database) -> None:
    await fill(database)
    assert await ask(database, words="SHARED") == (["shared 1.0"], 1)
    assert await ask(database, words="what does") == (["lone 1.10", "shared 1.0"], 2)
    assert await ask(database, words="does lone") == (["lone 1.10"], 1)
    assert await ask(database, words="100%") == ([], 0)
    assert await ask(database, tags=("two-words",)) == (["lone 1.10", "shared 1.0"], 2)
    assert await ask(database, tags=("two-words", "errors")) == (["lone 1.10"], 1)


async def test_versions_say_why_they_are_offered_no_more(database: Database) -> None:
    await fill(database)
    async with database.write() as connection:
        await mark_releases(connection, BOB, "lone", "1.10", yanked_at=7, yank_reason="Bad.")
        await refresh_newest(connection, BOB, "lone")
        versions = await list_mirrored_versions(connection, BOB, "lone")
    assert [(one.version, one.withdrawn, one.withdrawn_at) for one in versions] == [
        ("1.10", "Bad.", 7),
        ("1.0", None, None),
    ]
    assert (await ask(database, author=BOB))[0] == ["lone 1.0"]
