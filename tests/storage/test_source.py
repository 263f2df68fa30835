"""Rows of sources: what goes in comes out, one per instance and username, counted and forgotten whole."""

import asyncio

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from tests.support.records import ANN, BOB, add_sources, make_release, make_source, offer

from pfn.domain.activity import Activity, ActivityFilter, ActivityType, describe
from pfn.domain.source import AuthorInfo, SourceStatus
from pfn.domain.subscription import Filters
from pfn.domain.sync import SyncFailure
from pfn.domain.verification import Verification, VerificationResult, VerificationType
from pfn.storage.activity import add_activities, list_activities
from pfn.storage.database import Database
from pfn.storage.release import forget_source_releases
from pfn.storage.schema import source_verifications, subscriptions, sync_failures, syncs
from pfn.storage.source import (
    add_source,
    change_source,
    count_offered_plugins,
    count_plugins,
    count_sources,
    count_subscribers,
    forget_source,
    get_source,
    list_sources,
)
from pfn.storage.subscription import end_subscriptions, put_subscription
from pfn.storage.sync import add_sync, put_failure
from pfn.storage.verification import add_verification

FULL = make_source(
    status=SourceStatus.ERROR,
    trust_score=0.123456789012345,
    last_sync=2**40,
    asset_domain="https://cdn.example",
    asset_naming_scheme="{slug}.zip",
    status_code="key_mismatch",
    status_detail="It shows another key — “日本”.",
    features=("author-data", "signatures"),
    allow_unsigned=False,
    verified_since=5,
    author=AuthorInfo("ann", "2020", "https://ann.example", "ann", None),
    generation=2,
    signing_oracle=True,
    oracle_probed_at=2**40,
    gates=("equivocation", "revoked_key"),
    cool_down_until=2**40,
)


@pytest.mark.parametrize("source", [FULL, make_source(), make_source(allow_unsigned=True)])
async def test_a_source_comes_back_as_it_was_put(database: Database, source):
    async with database.write() as connection:
        await add_source(connection, source)
    async with database.read() as connection:
        assert await get_source(connection, source.id) == source
        assert await get_source(connection, source.id.upper()) is None


@pytest.mark.parametrize("status", list(SourceStatus))
async def test_every_status_can_be_kept(database: Database, status):
    async with database.write() as connection:
        await add_source(connection, make_source(status=status))
    async with database.read() as connection:
        found = await get_source(connection, ANN)
    assert found is not None
    assert found.status is status


async def test_one_source_per_instance_and_username(database: Database):
    async with database.write() as connection:
        await add_source(connection, make_source())
    twin = make_source(id="other@one.example", instance_url="https://one.example", username="ann")
    for second in (make_source(), twin):
        with pytest.raises(IntegrityError):
            async with database.write() as connection:
                await add_source(connection, second)
    async with database.read() as connection:
        assert [one.id for one in await list_sources(connection)] == [ANN]


@pytest.mark.parametrize("changes", [{"status": "trusted"}, {"trust_score": 1.01}, {"trust_score": -0.01}])
async def test_what_no_source_can_be_is_refused_by_the_database(database: Database, changes):
    async with database.write() as connection:
        await add_source(connection, make_source())
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await change_source(connection, ANN, **changes)


async def test_the_list_begins_with_the_most_trusted_and_leaves_out_the_removed(database: Database):
    async with database.write() as connection:
        for name, trust, status in (
            ("low", 0.1, "verified"),
            ("b", 0.7, "suspended"),
            ("a", 0.7, "pending"),
            ("high", 0.9, "error"),
            ("gone", 1.0, "removed"),
        ):
            source = make_source(f"{name}@{name}.example", trust_score=trust, status=SourceStatus(status))
            await add_source(connection, source)
        assert [one.username for one in await list_sources(connection)] == ["high", "a", "b", "low"]
        assert await get_source(connection, "gone@gone.example") is not None


async def test_a_change_touches_the_named_columns_of_one_source(database: Database):
    author = AuthorInfo("ann", website="https://ann.example")
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await change_source(connection, ANN, status=SourceStatus.ERROR, features=("a",), author=author, last_sync=9)
    expected = make_source(status=SourceStatus.ERROR, features=("a",), author=author, last_sync=9)
    async with database.read() as connection:
        assert await get_source(connection, ANN) == expected
        assert await get_source(connection, BOB) == make_source(BOB)


async def test_a_locked_source_loses_no_update(nodes: tuple[Database, Database]):
    """Two nodes' worth of connections read a source, think, and write what follows from what they read."""
    async with nodes[0].write() as connection:
        await add_source(connection, make_source(created_at=0))

    async def count_one(database: Database) -> None:
        async with database.write() as connection:
            source = await get_source(connection, ANN, lock=True)
            assert source is not None
            await asyncio.sleep(0.002)
            await change_source(connection, ANN, created_at=source.created_at + 1)

    await asyncio.gather(*(count_one(node) for node in nodes for _ in range(8)))
    async with nodes[0].read() as connection:
        source = await get_source(connection, ANN)
    assert source is not None
    assert source.created_at == 16


async def test_counts_by_source(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await offer(connection, make_release("a"), make_release("a", "2.0"), make_release("b"))
        await offer(connection, make_release("a", source_id=BOB))
        await put_subscription(connection, ANN, "carl", Filters(), 1)
        await put_subscription(connection, ANN, "dora", Filters(), 1)
        over = await put_subscription(connection, BOB, "carl", Filters(), 1)
        await end_subscriptions(connection, 2, subscription_id=over)
        assert await count_plugins(connection) == {ANN: 2, BOB: 1}
        assert await count_plugins(connection, BOB) == {BOB: 1}
        assert await count_subscribers(connection) == {ANN: 2}
        assert await count_subscribers(connection, BOB) == {}


async def test_some_of_the_sources_are_given_in_the_order_of_all(database: Database):
    states = [SourceStatus.VERIFIED, SourceStatus.SUSPENDED, SourceStatus.REMOVED, SourceStatus.VERIFIED]
    async with database.write() as connection:
        for number, status in enumerate(states):
            source_id = f"s{number}@one.example"
            await add_source(connection, make_source(id=source_id, username=f"s{number}", trust_score=number / 10))
            await change_source(connection, source_id, status=status)
            await offer(connection, make_release("a", source_id=source_id), make_release("b", source_id=source_id))
        everything = await list_sources(connection)
        assert [one.username for one in everything] == ["s3", "s1", "s0"]
        assert await list_sources(connection, limit=1, offset=1) == everything[1:2]
        verified = await list_sources(connection, status=SourceStatus.VERIFIED)
        assert [one.username for one in verified] == ["s3", "s0"]
        assert await list_sources(connection, status=SourceStatus.REMOVED) == []
        assert await count_sources(connection) == {SourceStatus.VERIFIED: 2, SourceStatus.SUSPENDED: 1}
        assert await count_offered_plugins(connection) == 4
        assert set(await count_plugins(connection, "s0@one.example", "s3@one.example")) == {
            "s0@one.example",
            "s3@one.example",
        }


async def _hang_everything_on(connection, source_id: str) -> None:
    await put_subscription(connection, source_id, "carl", Filters(), 1)
    await add_sync(connection, source_id, 1)
    await put_failure(connection, SyncFailure(source_id, "hello", "1.0", "unsigned", "why", 1, 1))
    attempt = Verification(
        0, source_id, "node", VerificationType.INITIAL, VerificationResult.SUCCESS, "It proved its key.", 1
    )
    await add_verification(connection, attempt, challenge=None)
    details = describe("source_added", "It was added.")
    event = Activity(ActivityType.FEDERATION_EVENT, 1, "node", details, source_id=source_id)
    await add_activities(connection, [event])


async def test_forgetting_takes_all_that_hangs_on_one_source_but_the_history(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for source_id in (ANN, BOB):
            await offer(connection, make_release(source_id=source_id))
            await _hang_everything_on(connection, source_id)
    async with database.write() as connection:
        await forget_source_releases(connection, ANN)
        await forget_source(connection, ANN)
    async with database.read() as connection:
        assert await get_source(connection, ANN) is None
        assert await get_source(connection, BOB) == make_source(BOB)
        for table in (subscriptions, syncs, sync_failures, source_verifications):
            left = (await connection.execute(select(table.c.source_id))).scalars().all()
            assert left == [BOB], table.name
        assert len(await list_activities(connection, ActivityFilter(source_id=ANN), limit=9)) == 1


async def test_a_source_with_releases_cannot_be_forgotten(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await offer(connection, make_release())
        await _hang_everything_on(connection, ANN)
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await forget_source(connection, ANN)
    async with database.read() as connection:
        assert await get_source(connection, ANN) is not None
        assert (await connection.execute(select(func.count()).select_from(subscriptions))).scalar_one() == 1
