"""Rows of syncs and of what failed in them."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.support.records import ANN, BOB, add_sources

from pfn.domain.schedule import Work
from pfn.domain.sync import Sync, SyncFailure, SyncState
from pfn.storage.database import Database
from pfn.storage.schedule import claim_one
from pfn.storage.sync import (
    add_sync,
    change_running,
    clear_failure,
    find_running,
    get_sync,
    interrupt_abandoned,
    interrupt_syncs,
    list_failures,
    list_syncs,
    next_retry_at,
    put_failure,
    retry_failures,
)

FAILURE = SyncFailure(
    source_id=ANN,
    plugin_id="hello",
    version="1.0",
    code="unsigned",
    details="It carries no signature.",
    first_failed=100,
    last_failed=100,
    retry_count=0,
    next_retry=1_000,
    sha256="a" * 64,
)


async def test_a_sync_begins_running_and_shows_its_progress(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        begun = await add_sync(connection, ANN, 2**40)
        assert begun == Sync(begun.id, ANN, SyncState.RUNNING, 2**40)
        assert await get_sync(connection, begun.id) == begun
        await change_running(connection, begun.id, total=9, wanted=4, done=3, mirrored=2, failed=1)
        running = replace(begun, total=9, wanted=4, done=3, mirrored=2, failed=1)
        assert await get_sync(connection, begun.id) == running
        ending = {"state": SyncState.FAILED, "finished_at": 2**40 + 1, "code": "storage_full", "detail": "Full."}
        assert await change_running(connection, begun.id, **ending)
        ended = replace(running, state=SyncState.FAILED, finished_at=2**40 + 1, code="storage_full", detail="Full.")
        assert await get_sync(connection, begun.id) == ended
        assert await get_sync(connection, begun.id + 1) is None
        # Whoever comes late changes nothing.
        assert not await change_running(connection, begun.id, state=SyncState.FINISHED, mirrored=9)
        assert await get_sync(connection, begun.id) == ended


async def test_a_sync_needs_its_source(database: Database):
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await add_sync(connection, ANN, 1)


async def test_the_list_is_one_sources_newest_first(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        made = [(await add_sync(connection, source_id, 9 - n)).id for n in range(3) for source_id in (ANN, BOB)]
        assert [one.id for one in await list_syncs(connection, ANN, limit=2)] == [made[4], made[2]]


async def test_what_a_killed_worker_left_running_is_marked_and_nothing_else(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        ended = await add_sync(connection, ANN, 1)
        await change_running(connection, ended.id, state=SyncState.FINISHED, finished_at=2)
        left = [await add_sync(connection, source_id, 3) for source_id in (ANN, BOB)]
        await change_running(connection, left[0].id, total=5, done=2, mirrored=2)
        assert await find_running(connection, ANN) == replace(left[0], total=5, done=2, mirrored=2)
        for source_id, until in ((ANN, 50), (BOB, 51)):
            await claim_one(connection, Work.SYNC, source_id, 10, token=source_id, until=until)
    async with database.write() as connection:
        assert await interrupt_abandoned(connection, 49.9) == 0
        assert await interrupt_abandoned(connection, 50.5) == 1
        found = await get_sync(connection, left[0].id)
        assert found is not None
        assert (found.state, found.finished_at) == (SyncState.INTERRUPTED, 50)
        assert found.detail
        assert (found.total, found.done, found.mirrored) == (5, 2, 2)
        assert await find_running(connection, ANN) is None
        assert await find_running(connection, BOB) == left[1]
        assert await get_sync(connection, ended.id) == replace(ended, state=SyncState.FINISHED, finished_at=2)


async def test_the_next_holder_of_the_lease_closes_what_was_left(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        left = [await add_sync(connection, source_id, 3) for source_id in (ANN, ANN, BOB)]
        assert await interrupt_syncs(connection, ANN, 60) == 2
        assert await interrupt_syncs(connection, ANN, 70) == 0
        assert await get_sync(connection, left[2].id) == left[2]


async def test_what_waits_for_one_reason_is_let_go_and_the_next_time_found(database: Database):
    failures = [
        replace(FAILURE, code="quota_exceeded", next_retry=900),
        replace(FAILURE, version="1.1", next_retry=700),
        replace(FAILURE, plugin_id="other", next_retry=None),
        replace(FAILURE, plugin_id="", version="", next_retry=500),
    ]
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for failure in failures:
            await put_failure(connection, failure)
        assert await next_retry_at(connection, ANN, 100) == 700
        assert await next_retry_at(connection, ANN, 700) == 900
        assert await next_retry_at(connection, BOB, 100) is None
        await retry_failures(connection, ANN, "quota_exceeded", 300)
        assert await next_retry_at(connection, ANN, 100) == 300


@pytest.mark.parametrize(
    "failure", [FAILURE, replace(FAILURE, next_retry=None, sha256=None), replace(FAILURE, plugin_id="", version="")]
)
async def test_a_failure_comes_back_as_it_was_put(database: Database, failure):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put_failure(connection, failure)
        assert await list_failures(connection, ANN) == [failure]


async def test_failing_again_changes_all_but_when_it_first_failed(database: Database):
    again = replace(
        FAILURE,
        code="zip_refused",
        details="Another reason.",
        first_failed=500,
        last_failed=500,
        retry_count=3,
        next_retry=None,
        sha256=None,
    )
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await put_failure(connection, FAILURE)
        await put_failure(connection, again)
        assert await list_failures(connection, ANN) == [replace(again, first_failed=100)]


async def test_each_release_fails_for_itself_and_the_latest_comes_first(database: Database):
    failures = [
        replace(FAILURE, last_failed=1),
        replace(FAILURE, version="1.1", last_failed=3),
        replace(FAILURE, plugin_id="other", last_failed=2),
        replace(FAILURE, plugin_id="", version="", last_failed=3),
    ]
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for failure in (*failures, replace(FAILURE, source_id=BOB, last_failed=9)):
            await put_failure(connection, failure)
        expected = [failures[3], failures[1], failures[2], failures[0]]
        assert await list_failures(connection, ANN) == expected
        assert await list_failures(connection, ANN, limit=2) == expected[:2]


async def test_a_release_that_came_through_is_forgiven_alone(database: Database):
    others = [
        replace(FAILURE, version="1.1", last_failed=3),
        replace(FAILURE, plugin_id="other", last_failed=2),
        replace(FAILURE, plugin_id="", version="", last_failed=1),
    ]
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for failure in (FAILURE, *others, replace(FAILURE, source_id=BOB)):
            await put_failure(connection, failure)
        await clear_failure(connection, ANN, "hello", "1.0")
        await clear_failure(connection, ANN, "hello", "9.9")
        assert await list_failures(connection, ANN) == others
        assert len(await list_failures(connection, BOB)) == 1
        await clear_failure(connection, ANN, "", "")
        assert await list_failures(connection, ANN) == others[:2]
