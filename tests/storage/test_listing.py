"""Rows of what sources list."""

from dataclasses import replace

from tests.support.records import ANN, BOB, add_sources

from pfn.domain.sync import Listing
from pfn.storage.database import Database
from pfn.storage.listing import (
    ListingState,
    change_listing_state,
    count_listed,
    get_listing_state,
    list_listings,
    listed_statements,
    look_again,
    mark_unlisted,
    put_listings,
)
from pfn.storage.signed_document import forget_signed_documents

ONE = Listing("one", "One", "1.0", "Does one thing.", ("seo", "Ünïcode"), "c2ln", None, None, 2**40)
TWO = Listing("two", "Two", "2.0", None, statement="ab" * 32, first_seen=7)


async def test_listings_come_back_as_they_were_put_by_slug(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await put_listings(connection, ANN, [TWO, ONE])
        await put_listings(connection, BOB, [replace(ONE, version="9")])
        await put_listings(connection, ANN, [])
        assert await list_listings(connection, ANN) == [ONE, TWO]
        assert await list_listings(connection, ANN, slugs=["two", "three"]) == [TWO]
        assert await list_listings(connection, ANN, slugs=[]) == []
        assert await listed_statements(connection, ANN) == {"one": ("1.0", None), "two": ("2.0", "ab" * 32)}
        assert await count_listed(connection, ANN) == 2


async def test_a_change_takes_the_place_of_what_was_known(database: Database) -> None:
    changed = Listing("one", "Uno", "1.1", None, (), None, None, "cd" * 32, 9)
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put_listings(connection, ANN, [ONE, TWO])
        await put_listings(connection, ANN, [changed])
        assert await list_listings(connection, ANN) == [changed, TWO]


async def test_what_is_listed_no_more_stays_marked_until_it_comes_back(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put_listings(connection, ANN, [ONE, TWO])
        await mark_unlisted(connection, ANN, {"one"}, 50)
        assert await list_listings(connection, ANN) == [TWO]
        assert await list_listings(connection, ANN, unlisted=True) == [replace(ONE, unlisted_at=50), TWO]
        assert list(await listed_statements(connection, ANN)) == ["two"]
        assert await count_listed(connection, ANN) == 1
        await put_listings(connection, ANN, [ONE])
        assert await list_listings(connection, ANN) == [ONE, TWO]


async def test_more_slugs_than_a_statement_takes_are_asked_for_in_portions(database: Database) -> None:
    many = [replace(ONE, slug=f"p{number:05}") for number in range(1_700)]
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put_listings(connection, ANN, many)
        assert await list_listings(connection, ANN, slugs=[one.slug for one in many]) == many
        await mark_unlisted(connection, ANN, [one.slug for one in many[10:]], 50)
        assert await count_listed(connection, ANN) == 10


async def test_the_state_keeps_what_is_not_changed(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        assert await get_listing_state(connection, ANN) is None
        await look_again(connection, ANN)
        assert await get_listing_state(connection, ANN) is None
        await change_listing_state(connection, ANN, etag='"1"', wanted_digest="ab" * 32)
        await change_listing_state(connection, ANN, shrank_at=5)
        await change_listing_state(connection, BOB, look_again_at=9)
        assert await get_listing_state(connection, ANN) == ListingState(
            etag='"1"', wanted_digest="ab" * 32, shrank_at=5
        )
        await look_again(connection, ANN)
        assert await get_listing_state(connection, ANN) == ListingState(etag='"1"', shrank_at=5)


async def test_a_new_holder_starts_afresh(database: Database) -> None:
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for source_id in (ANN, BOB):
            await put_listings(connection, source_id, [ONE])
            await change_listing_state(connection, source_id, etag='"1"')
        await forget_signed_documents(connection, ANN)
        assert await list_listings(connection, ANN, unlisted=True) == []
        assert await get_listing_state(connection, ANN) is None
        assert await list_listings(connection, BOB) == [ONE]
