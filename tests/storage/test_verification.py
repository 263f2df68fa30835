"""Rows of verifications: the record of each attempt, and challenges that prove something once."""

from dataclasses import replace

import pytest
from sqlalchemy.exc import IntegrityError
from tests.support.records import ANN, BOB, add_sources

from pfn.domain.verification import Verification, VerificationResult, VerificationType
from pfn.protocol.check import Check
from pfn.storage.database import Database
from pfn.storage.verification import (
    VerificationSummary,
    add_verification,
    list_verifications,
    summarize_verifications,
)

HELD = Verification(
    id=0,
    source_id=ANN,
    verifier="node",
    verification_type=VerificationType.MANUAL,
    result=VerificationResult.SUCCESS,
    details="The publisher proved that it holds the registered key.",
    verified_at=2**40,
    response_ms=12,
    checks=(Check("federation_info", True, "It answers."), Check("shown_key", False, "It shows “another”.")),
)
FAILED = replace(
    HELD, result=VerificationResult.FAILURE, code="source_unreachable", response_ms=None, checks=(), verified_at=7
)


async def test_a_verification_comes_back_as_it_was_put_under_an_id_of_its_own(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await add_verification(connection, HELD, challenge="c1")
        await add_verification(connection, FAILED, challenge=None)
        newest, oldest = await list_verifications(connection, ANN, limit=9)
    assert newest.id > oldest.id > 0
    assert replace(oldest, id=0) == HELD
    assert replace(newest, id=0) == FAILED


async def test_the_list_is_one_sources_newest_first_and_no_longer_than_asked(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for number in range(5):
            # The order is that of writing: a clock that was set back does not change it.
            await add_verification(connection, replace(HELD, verified_at=100 - number), challenge=None)
            await add_verification(connection, replace(HELD, source_id=BOB, verified_at=0), challenge=None)
        found = await list_verifications(connection, ANN, limit=3)
    assert [one.verified_at for one in found] == [96, 97, 98]


@pytest.mark.parametrize("again", [HELD, FAILED, replace(HELD, source_id=BOB)])
async def test_a_challenge_can_be_used_once(database: Database, again):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await add_verification(connection, HELD, challenge="the same")
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await add_verification(connection, again, challenge="the same")
    async with database.read() as connection:
        assert len(await list_verifications(connection, ANN, limit=9)) == 1
        assert await list_verifications(connection, BOB, limit=9) == []


async def test_attempts_that_never_came_to_a_challenge_are_all_recorded(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        for _ in range(3):
            await add_verification(connection, FAILED, challenge=None)
        assert len(await list_verifications(connection, ANN, limit=9)) == 3


async def test_a_verification_needs_its_source(database: Database):
    with pytest.raises(IntegrityError):
        async with database.write() as connection:
            await add_verification(connection, HELD, challenge=None)


async def test_the_summary_counts_and_averages_by_source(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB, "new@three.example")
        for one in (
            replace(HELD, response_ms=10, verified_at=900),
            replace(HELD, response_ms=15),
            # A proof that failed took its time too; a publisher that did not answer took none.
            replace(FAILED, response_ms=20),
            FAILED,
            replace(FAILED, source_id=BOB),
        ):
            await add_verification(connection, one, challenge=None)
        everything = await summarize_verifications(connection)
        of_bob = await summarize_verifications(connection, BOB)
        of_new = await summarize_verifications(connection, "new@three.example")
    bob = VerificationSummary(last_result="failure", successful=0, response_time_avg=None)
    assert everything == {ANN: VerificationSummary("failure", 2, 15.0), BOB: bob}
    assert of_bob == {BOB: bob}
    assert of_new == {}


async def test_the_last_result_is_that_of_the_last_row_written(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN)
        await add_verification(connection, replace(FAILED, verified_at=900), challenge=None)
        await add_verification(connection, replace(HELD, verified_at=100, response_ms=1), challenge=None)
        await add_verification(connection, replace(HELD, verified_at=100, response_ms=2), challenge=None)
        summary = (await summarize_verifications(connection))[ANN]
    assert summary == VerificationSummary("success", 2, 1.5)
