"""Rows of subscriptions: one living per subscriber and source, ended ones kept."""

import asyncio

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from tests.support.records import ANN, BOB, add_sources

from pfn.domain.release import SignatureLevel
from pfn.domain.subscription import Filters, Subscription
from pfn.domain.version_range import VersionRange
from pfn.storage.database import Database
from pfn.storage.schema import subscriptions
from pfn.storage.subscription import (
    change_filters,
    end_subscriptions,
    get_subscription,
    list_subscriptions,
    put_subscription,
)

TAGS = Filters(("SEO", "Formulare für alle"))
EVERY = Filters(
    ("a",), ("b",), ("c",), 0.25, SignatureLevel.ARTIFACT, VersionRange.parse(">=1.2, <3"), minimum_age_days=0.5
)


async def test_a_subscription_comes_back_as_it_was_put(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        made = await put_subscription(connection, ANN, "carl", TAGS, 2**40)
    async with database.read() as connection:
        assert await get_subscription(connection, made) == Subscription(made, ANN, "carl", TAGS, 2**40)
        assert await get_subscription(connection, made + 1) is None


async def test_putting_again_changes_the_filters_of_the_one_that_lives(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        other = await put_subscription(connection, ANN, "dora", TAGS, 1)
        made = await put_subscription(connection, ANN, "carl", TAGS, 1)
    async with database.write() as connection:
        assert await put_subscription(connection, ANN, "carl", Filters(), 5) == made
        assert await put_subscription(connection, BOB, "carl", TAGS, 5) not in {made, other}
        assert await get_subscription(connection, made) == Subscription(made, ANN, "carl", Filters(), 1)
        assert await get_subscription(connection, other) == Subscription(other, ANN, "dora", TAGS, 1)


async def test_every_condition_comes_back(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        made = await put_subscription(connection, ANN, "carl", EVERY, 1)
    async with database.read() as connection:
        assert await get_subscription(connection, made) == Subscription(made, ANN, "carl", EVERY, 1)


async def test_what_an_earlier_version_wrote_is_read(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        made = await put_subscription(connection, ANN, "carl", EVERY, 1)
        for stored, filters in (({}, Filters()), ({"tags": ["SEO", "Formulare für alle"]}, TAGS)):
            await connection.execute(update(subscriptions).values(filters=stored))
            assert await get_subscription(connection, made) == Subscription(made, ANN, "carl", filters, 1)


async def test_only_a_living_subscription_is_changed(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        made = await put_subscription(connection, ANN, "carl", TAGS, 1)
        other = await put_subscription(connection, ANN, "dora", TAGS, 1)
        assert await change_filters(connection, made, EVERY)
        assert await get_subscription(connection, made) == Subscription(made, ANN, "carl", EVERY, 1)
        assert await get_subscription(connection, other) == Subscription(other, ANN, "dora", TAGS, 1)
        await end_subscriptions(connection, 7, subscription_id=made)
        assert not await change_filters(connection, made, TAGS)
        assert not await change_filters(connection, other + 1, TAGS)
        assert await get_subscription(connection, made) == Subscription(made, ANN, "carl", EVERY, 1, ended_at=7)


async def test_a_subscription_needs_its_source(database: Database):
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await put_subscription(connection, ANN, "carl", TAGS, 1)


async def test_who_puts_at_the_same_time_gets_the_same_subscription(nodes: tuple[Database, Database]):
    async with nodes[0].write() as connection:
        await add_sources(connection, ANN)

    async def put(number: int) -> int:
        async with nodes[number % 2].write() as connection:
            await asyncio.sleep(0)
            made = await put_subscription(connection, ANN, "carl", Filters((f"tag{number}",)), number)
            await asyncio.sleep(0.002)
            return made

    ids = await asyncio.gather(*(put(number) for number in range(10)))
    async with nodes[0].read() as connection:
        living = await list_subscriptions(connection, ended=True)
    assert {one.id for one in living} == set(ids)
    assert len(living) == 1


async def test_an_ended_subscription_stays_and_makes_room_for_a_new_one(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        first = await put_subscription(connection, ANN, "carl", TAGS, 1)
        assert await end_subscriptions(connection, 7, subscription_id=first) == 1
        assert await end_subscriptions(connection, 8, subscription_id=first) == 0
        second = await put_subscription(connection, ANN, "carl", Filters(), 9)
        assert second != first
        assert await get_subscription(connection, first) == Subscription(first, ANN, "carl", TAGS, 1, ended_at=7)
        assert [one.id for one in await list_subscriptions(connection)] == [second]
        assert [one.id for one in await list_subscriptions(connection, ended=True)] == [second, first]


async def test_lists_are_filtered_and_newest_first(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        carl = await put_subscription(connection, ANN, "carl", TAGS, 1)
        dora = await put_subscription(connection, ANN, "dora", TAGS, 1)
        away = await put_subscription(connection, BOB, "carl", TAGS, 1)
        cases = [
            ({}, [away, dora, carl]),
            ({"source_id": ANN}, [dora, carl]),
            ({"subscriber": "carl"}, [away, carl]),
            ({"source_id": BOB, "subscriber": "dora"}, []),
        ]
        for asked, expected in cases:
            assert [one.id for one in await list_subscriptions(connection, **asked)] == expected


async def test_all_of_one_source_end_together(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for subscriber in ("carl", "dora"):
            await put_subscription(connection, ANN, subscriber, TAGS, 1)
        away = await put_subscription(connection, BOB, "carl", TAGS, 1)
        assert await end_subscriptions(connection, 5, source_id=ANN) == 2
        assert [one.id for one in await list_subscriptions(connection)] == [away]
