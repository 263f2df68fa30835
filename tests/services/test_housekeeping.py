"""Housekeeping on a clock the test holds: what is old goes, by the settings; what is new, or in use, stays."""

from dataclasses import replace

import pytest
from sqlalchemy import func, insert, select
from tests.support.records import ANN, BOB, add_sources

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.schedule import Outcome, Result
from pfn.domain.verification import Verification, VerificationResult, VerificationType
from pfn.services import housekeeping
from pfn.services.housekeeping import HousekeepingService
from pfn.services.trust import explain_trust
from pfn.storage.access import Session, add_session
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.schema import (
    deliveries,
    events,
    health_hours,
    sessions,
    source_verifications,
    sources,
    syncs,
    webhooks,
)
from pfn.storage.source import get_source
from pfn.storage.verification import add_verification

DAY = 86_400
NOW = 2_000 * DAY
EVENT = Activity(ActivityType.HEALTH_CHANGE, 0, "node", describe("down", "It is down."))
PROOF = Verification(0, ANN, "node", VerificationType.PERIODIC, VerificationResult.SUCCESS, "It holds.", 0)


def make_service(database: Database, *, events_keep_days: int = 730, now: float = NOW) -> HousekeepingService:
    return HousekeepingService(database, lambda: now, events_keep_days=events_keep_days, history_keep_days=365)


async def fill(database: Database, *ages: float) -> None:
    """Write one of everything that fades for each age, in days."""
    async with database.write() as connection:
        await add_sources(connection)
        await connection.execute(
            insert(webhooks).values(id=1, owner="a", url="https://a.example", secret="s", signing_key="k", created_at=1)
        )
        await add_activities(connection, [replace(EVENT, timestamp=int(NOW - age * DAY)) for age in ages])
        for number, age in enumerate(ages):
            at = int(NOW - age * DAY)
            await add_verification(connection, replace(PROOF, verified_at=at), challenge=None)
            await connection.execute(
                insert(syncs).values(source_id=ANN, state="finished", started_at=at, finished_at=at)
            )
            await connection.execute(
                insert(deliveries).values(
                    webhook_id=1, message_id=str(number), type="t", body="{}", state="delivered", created_at=at
                )
            )
            await connection.execute(insert(health_hours).values(source_id=ANN, hour=at // 3600))
            await add_session(connection, Session(str(number), "k", "c", at, at))


async def ages(database: Database, column: str) -> list[float]:
    """Give the ages in days of what is left in a column of times, oldest first."""
    table = {"timestamp": events, "verified_at": source_verifications, "finished_at": syncs, "last_seen": sessions}
    table |= {"created_at": deliveries, "hour": health_hours}
    unit = 3600 if column == "hour" else 1
    async with database.read() as connection:
        found = (await connection.execute(select(table[column].c[column]))).scalars()
        return sorted(((NOW - at * unit) / DAY for at in found), reverse=True)


async def test_each_thing_is_kept_as_long_as_the_settings_say(database: Database):
    given = (800, 731, 730, 366, 365, 41, 40, 1, 0.4, 0)
    await fill(database, *given)
    outcome = await make_service(database).tidy()
    assert await ages(database, "timestamp") == list(given[2:])
    for column in ("verified_at", "finished_at", "created_at"):
        assert await ages(database, column) == list(given[4:])
    assert await ages(database, "hour") == pytest.approx(given[6:], abs=0.05)
    assert await ages(database, "last_seen") == [0]
    assert outcome.result is Result.CHANGED
    assert outcome.detail == "Forgot 4 deliveries, 4 verifications, 4 syncs, 2 events, 6 hours of health."


async def test_doing_it_again_changes_nothing(database: Database):
    await fill(database, 900, 5)
    await make_service(database).tidy()
    assert await make_service(database).tidy() == Outcome(Result.UNCHANGED)


async def test_events_are_kept_for_ever_where_the_setting_says_so(database: Database):
    await fill(database, 1_500, 5)
    await make_service(database, events_keep_days=0).tidy()
    assert await ages(database, "timestamp") == [1_500, 5]


async def test_much_goes_in_many_small_transactions(database: Database, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(housekeeping, "_BATCH", 7)
    async with database.write() as connection:
        await add_activities(connection, [EVENT] * 40)
    written = 0

    def count() -> None:
        nonlocal written
        written += 1

    database.on_write(count)
    await make_service(database).tidy()
    async with database.read() as connection:
        assert (await connection.execute(select(func.count()).select_from(events))).scalar_one() == 1
    assert written >= 39 // 7


async def test_trust_is_brought_up_to_date(database: Database):
    async with database.write() as connection:
        await add_sources(connection)
        await connection.execute(sources.update().values(trust_score=0.9))
    await make_service(database).tidy()
    async with database.read() as connection:
        for source_id in (ANN, BOB):
            source = await get_source(connection, source_id)
            assert source is not None
            assert source.trust_score == (await explain_trust(connection, source, NOW)).score != 0.9
