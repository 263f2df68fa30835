"""Rows of who speaks for a slug, on both engines."""

from tests.support.records import ANN, BOB, add_sources

from pfn.domain.slug import HELD, REFUSED
from pfn.storage.database import Database
from pfn.storage.slug import claim_slugs, find_holders, get_holder, list_contests, pin_slug, refuse_contest
from pfn.storage.source import forget_source


async def test_the_first_holds_a_slug_until_it_is_pinned(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection)
        assert await claim_slugs(connection, ANN, ["one", "two"], 1, decided_by="node") == []
        [(contest, holder)] = await claim_slugs(connection, BOB, ["two", "three"], 2, decided_by="node")
        assert (contest.slug, contest.state, holder) == ("two", HELD, ANN)
        assert await claim_slugs(connection, BOB, ["two"], 3, decided_by="node") == []
        held = {one.slug: one.source_id for one in await find_holders(connection, ["one", "two", "three", "four"])}
        assert held == {"one": ANN, "two": ANN, "three": BOB}
        await pin_slug(connection, "two", BOB, 4, decided_by="key")
        found = await get_holder(connection, "two")
        assert found is not None
        assert (found.source_id, found.pinned, found.since, found.decided_by) == (BOB, True, 4, "key")
        assert [(one.source_id, one.found_at) for one in await list_contests(connection)] == [(ANN, 4)]


async def test_a_refused_contest_stays_refused(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection)
        await claim_slugs(connection, ANN, ["one"], 1, decided_by="node")
        assert not await refuse_contest(connection, "one", BOB)
        await claim_slugs(connection, BOB, ["one"], 2, decided_by="node")
        assert await refuse_contest(connection, "one", BOB)
        assert await claim_slugs(connection, BOB, ["one"], 3, decided_by="node") == []
        assert [one.state for one in await list_contests(connection, "one")] == [REFUSED]


async def test_a_slug_outlives_its_source_and_can_be_pinned_to_another(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection)
        await claim_slugs(connection, ANN, ["one"], 1, decided_by="node")
        await forget_source(connection, ANN)
        assert len(await claim_slugs(connection, BOB, ["one"], 2, decided_by="node")) == 1
        await pin_slug(connection, "one", BOB, 3, decided_by="key")
        found = await get_holder(connection, "one")
        assert found is not None
        assert found.source_id == BOB
        assert await list_contests(connection) == []
