"""The evidence of trust, summed up by the database: the same to the formula as every row on its own."""

from dataclasses import replace

import pytest
from tests.support.records import ANN, BOB, VERDICT, add_sources, make_release

from pfn.domain.health import HealthHour
from pfn.domain.release import SignatureLevel
from pfn.domain.sync import SyncFailure
from pfn.domain.trust import DAY, HOUR, Observation, thin
from pfn.domain.verification import Verification, VerificationResult, VerificationType
from pfn.protocol.document import Head
from pfn.storage.database import Database
from pfn.storage.health import put_hour
from pfn.storage.recheck import add_recheck
from pfn.storage.release import add_release
from pfn.storage.signed_document import StoredCatalog, put_catalog
from pfn.storage.sync import put_failure
from pfn.storage.trust import (
    get_catalog_expiry,
    observe_proofs,
    observe_rechecks,
    observe_refusals,
    observe_releases,
    observe_uptime,
)
from pfn.storage.verification import add_verification

FALSE = frozenset({"ownership_signature", "signature_invalid"})
TODAY = 20_000 * DAY


def seen(*found: tuple[float, float] | tuple[float, float, bool]) -> list[Observation]:
    return [Observation(*one) for one in found]


async def test_a_thousand_releases_a_day_are_one_observation(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for number in range(20):
            await add_release(connection, make_release(f"p{number}", mirror_date=TODAY + number), VERDICT)
        await add_release(connection, make_release("later", mirror_date=TODAY + 3 * DAY), VERDICT)
        await add_release(connection, make_release("before", mirror_date=TODAY - 1), VERDICT)
        none = make_release("u", mirror_date=TODAY + 9 * DAY, level=SignatureLevel.NONE, signature=None)
        await add_release(connection, none, VERDICT)
        await add_release(connection, make_release("c", source_id=BOB), VERDICT)
        found = await observe_releases(connection, ANN, TODAY)
    assert sorted(found, key=lambda one: one.at) == seen((TODAY + 19, 1.0), (TODAY + 3 * DAY, 1.0))


async def test_refused_releases_count_where_a_proof_was_false(database: Database):
    failure = SyncFailure(
        source_id=ANN,
        plugin_id="a",
        version="1",
        code="signature_invalid",
        details="",
        first_failed=1,
        last_failed=TODAY,
    )
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for one in (
            failure,
            replace(failure, plugin_id="b", last_failed=TODAY + 5),
            replace(failure, plugin_id="c", code="source_unreachable", last_failed=TODAY + DAY),
            replace(failure, plugin_id="d", last_failed=TODAY - 1),
            replace(failure, source_id=BOB, last_failed=TODAY + DAY),
        ):
            await put_failure(connection, one)
        assert await observe_refusals(connection, ANN, TODAY, FALSE) == seen((TODAY + 5, 0.0))


async def test_proofs_by_day_say_what_every_proof_says(database: Database):
    """Against the rows themselves, thinned as the formula thins them."""
    kinds, results = list(VerificationType), list(VerificationResult)
    rows = [
        Verification(
            id=0,
            source_id=ANN,
            verifier="node",
            verification_type=kinds[number % 3],
            result=results[number // 3 % 2],
            details="",
            verified_at=TODAY + number * 5 * HOUR,
            code=None if results[number // 3 % 2] is VerificationResult.SUCCESS else sorted(FALSE)[number % 2],
        )
        for number in range(60)
    ]
    unreachable = replace(
        rows[0], result=VerificationResult.FAILURE, code="source_unreachable", verified_at=TODAY + 100 * DAY
    )
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for one in (*rows, unreachable, replace(unreachable, source_id=BOB, code="ownership_signature")):
            await add_verification(connection, one, challenge=None)
        found = await observe_proofs(connection, ANN, TODAY, FALSE)
        fewer = await observe_proofs(connection, ANN, TODAY + 6 * DAY, FALSE)
    every = [
        Observation(
            float(one.verified_at),
            float(one.result is VerificationResult.SUCCESS),
            one.verification_type is VerificationType.MANUAL,
        )
        for one in rows
    ]
    assert thin(found, DAY) == thin(every, DAY)
    unasked = [one for one in every if one.grade and not one.triggered]
    assert max(one.at for one in found if one.grade and not one.triggered) == max(one.at for one in unasked)
    assert thin(fewer, DAY) == thin([one for one in every if one.at >= TODAY + 6 * DAY], DAY)


async def test_rechecks_count_by_day(database: Database):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        for day, checked, failed in ((20_000, 3, 0), (20_000, 2, 0), (20_001, 4, 0), (20_001, 4, 1), (19_999, 1, 1)):
            await add_recheck(connection, ANN, day, checked=checked, failed=failed)
        await add_recheck(connection, ANN, 20_002, checked=0, failed=0)
        await add_recheck(connection, BOB, 20_000, checked=1, failed=1)
        found = await observe_rechecks(connection, ANN, TODAY + 5)
    assert sorted(found, key=lambda one: one.at) == seen((TODAY, 1.0), (TODAY + DAY, 0.0))


async def test_uptime_counts_by_hour_the_worst_probe(database: Database):
    hour = TODAY // HOUR
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        await put_hour(connection, ANN, HealthHour(hour, probes=6, worst=0.5))
        await put_hour(connection, ANN, HealthHour(hour + 1, probes=1, failed=1, worst=0.0, triggered=True))
        await put_hour(connection, ANN, HealthHour(hour - 1, probes=1))
        await put_hour(connection, BOB, HealthHour(hour, probes=1))
        found = await observe_uptime(connection, ANN, TODAY + 5)
    assert sorted(found, key=lambda one: one.at) == seen((TODAY, 0.5), (TODAY + HOUR, 0.0, True))


@pytest.mark.parametrize("expires", [None, 2**40])
async def test_when_the_catalogue_expires(database: Database, expires: int | None):
    async with database.write() as connection:
        await add_sources(connection, ANN, BOB)
        if expires is not None:
            stored = StoredCatalog(Head(1, "ab" * 32), b"{}", expires, 1, None, None)
            await put_catalog(connection, ANN, stored)
        assert await get_catalog_expiry(connection, ANN) == expires
        assert await get_catalog_expiry(connection, BOB) is None
