"""Pages of the directory, on both databases: what is in them, in which order, and how many there are."""

import random
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

from sqlalchemy import RowMapping, select
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
from pfn.storage.schema import plugins, slugs, sources
from pfn.storage.search import has_words
from pfn.storage.slug import claim_slugs, pin_slug
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


NAMES = ("Alpha Beta", "BETA_alpha", "Älpha beta", "100% Alpha", "gamma", "Beta gamma")
ASKED = ("alpha", "beta", "Beta ALPHA", "alpha-beta", "älpha", "ÄLPHA", "a", "100%", "_", "alpha %", "nothing", "")


def fit(slug: str, name: str, asked: str) -> int:
    """Tell how well something fits what is asked for; letters are alike in any case where they are ASCII."""
    words = asked.casefold().split()
    if not words or slug == "-".join(words):
        return 0
    return 1 if slug.startswith("-".join(words)) else 2 if words[0] in to_ascii_lower(name) else 3


def to_ascii_lower(text: str) -> str:
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


async def test_the_directory_is_what_looking_at_every_row_gives(database: Database) -> None:
    dice = random.Random(14)
    ids = [f"s{number}@{number}.example" for number in range(5)]
    async with database.write() as connection:
        await add_sources(connection, *ids)
        for number in range(240):
            slug = dice.choice(("alpha", "beta-alpha", "alpha-beta", "other")) + dice.choice(("", f"-{number % 60}"))
            source_id, name, kind = dice.choice(ids), dice.choice(NAMES), dice.choice(("plugin", "plugin", "theme"))
            release = make_release(slug, f"1.{number}", source_id, name=name, facts={"kind": kind})
            changed: dict[str, Any] = {
                "author": dice.choice(("Ann", "Bob")),
                "tags": dice.sample(["seo", "Two Words", "shop"], 2),
            }
            await offer(connection, replace(release, mirror_date=dice.randrange(99), **changed))
            if dice.random() < 0.9:
                await claim_slugs(connection, source_id, [slug], dice.randrange(99), decided_by="node")
            if dice.random() < 0.1:
                await pin_slug(connection, slug, dice.choice(ids), dice.randrange(99), decided_by="node")
        for source_id in ids:
            await change_source(connection, source_id, trust_score=dice.choice((0.25, 0.5, 0.75)))
        await change_source(connection, ids[3], status=SourceStatus.SUSPENDED)
        await change_source(connection, ids[4], status=SourceStatus.REMOVED)
        columns = (*plugins.c, slugs.c.since, sources.c.trust_score)
        joined = (
            select(*columns)
            .join(sources)
            .join(slugs, (slugs.c.slug == plugins.c.plugin_id) & (slugs.c.source_id == plugins.c.source_id))
        )
        rows = (await connection.execute(joined.where(sources.c.id.in_(ids[:3])))).mappings().all()
        has = {}
        for asked in ASKED:
            matching = select(plugins.c.source_id, plugins.c.plugin_id).where(has_words(connection, asked))
            has[asked] = {tuple(row) for row in await connection.execute(matching)}
    least: dict[Order, Callable[[RowMapping], int]] = {
        Order.TRUSTED: lambda _: 0,
        Order.POPULAR: lambda _: 0,
        Order.NEW: lambda row: -row["since"],
        Order.UPDATED: lambda row: -row["updated_at"],
    }
    assert len(rows) > 30
    every = list(product(ASKED, Order, ("plugin", "theme"), ((), ("seo",)), ("", "Ann", ids[1])))
    for asked, order, kind, tag, author in dice.sample(every, 200):
        expected = sorted(
            (
                (fit(row["plugin_id"], row["name"], asked), least[order](row), -row["trust_score"], row["plugin_id"])
                for row in rows
                if (row["source_id"], row["plugin_id"]) in has[asked]
                and row["kind"] == kind
                and set(tag) <= set(row["tags"])
                and author in ("", row["author"], row["source_id"])
            ),
        )
        page, per_page = dice.randrange(1, 3), dice.randrange(1, 9)
        query = DirectoryQuery(
            kind=kind, words=asked, tags=tag, author=author, order=order, page=page, per_page=per_page
        )
        async with database.read() as connection:
            found, total = await list_directory(connection, query)
        assert total == len(expected), query
        there = [one[-1] for one in expected[(page - 1) * per_page : page * per_page]]
        assert [one.offered.slug for one in found] == there, query


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
