"""What is old is forgotten in small pieces, and nothing that anybody still waits for."""

from dataclasses import replace

import pytest
from sqlalchemy import insert, select
from tests.support.records import ANN, BOB, add_sources

from pfn.domain.activity import Activity, ActivityType, describe
from pfn.domain.verification import Verification, VerificationResult, VerificationType
from pfn.storage.activity import add_activities, last_seq, list_activities
from pfn.storage.database import Database
from pfn.storage.history import (
    forget_deliveries,
    forget_events,
    forget_syncs,
    forget_verifications,
    get_horizon,
)
from pfn.storage.schema import cursors, deliveries, source_verifications, syncs, webhooks
from pfn.storage.verification import add_verification

EVENT = Activity(ActivityType.HEALTH_CHANGE, 1, "node", describe("down", "It is down."))
PROOF = Verification(0, ANN, "node", VerificationType.PERIODIC, VerificationResult.SUCCESS, "It holds.", 1)


@pytest.fixture
async def seqs(database: Database) -> list[int]:
    """The numbers of ten events, of the seconds 0 to 9."""
    async with database.write() as connection:
        await add_activities(connection, [replace(EVENT, timestamp=second) for second in range(10)])
        found = await list_activities(connection, limit=99)
    return [one.seq for one in reversed(found)]


async def left(database: Database) -> list[int]:
    async with database.read() as connection:
        return [one.seq for one in reversed(await list_activities(connection, limit=99))]


async def add_delivery(database: Database, seq: int | None, state: str, *, created_at: int = 1) -> None:
    async with database.write() as connection:
        made = await connection.execute(
            insert(webhooks)
            .values(owner="agency", url="https://agency.example", secret="s", signing_key="k", created_at=1)
            .returning(webhooks.c.id)
        )
        await connection.execute(
            insert(deliveries).values(
                webhook_id=made.scalar_one(),
                event_seq=seq,
                message_id=f"{seq} {state} {created_at}",
                type="version_update",
                body="{}",
                state=state,
                created_at=created_at,
            )
        )


async def forget(database: Database, before: int, limit: int = 99) -> int:
    async with database.write() as connection:
        return await forget_events(connection, before=before, limit=limit)


async def test_old_events_go_a_few_at_a_time_and_leave_a_horizon(database: Database, seqs: list[int]):
    async with database.read() as connection:
        assert await get_horizon(connection) == 0
    assert await forget(database, 5, limit=3) == 3
    assert await left(database) == seqs[3:]
    async with database.read() as connection:
        assert await get_horizon(connection) == seqs[2]
    assert await forget(database, 5, limit=3) == 2
    assert await forget(database, 5, limit=3) == 0
    assert await left(database) == seqs[5:]
    async with database.read() as connection:
        assert await get_horizon(connection) == seqs[4]


async def test_the_newest_event_stays_however_old(database: Database, seqs: list[int]):
    assert await forget(database, 10**9) == 9
    assert await left(database) == seqs[-1:]
    async with database.read() as connection:
        assert await last_seq(connection) == seqs[-1]


async def test_an_event_stays_until_its_notices_are_out(database: Database, seqs: list[int]):
    await add_delivery(database, None, "pending")
    await add_delivery(database, seqs[1], "pending")
    await add_delivery(database, seqs[2], "delivered")
    await add_delivery(database, seqs[3], "failed")
    assert await forget(database, 5) == 4
    assert await left(database) == [seqs[1], *seqs[5:]]


async def test_an_event_stays_until_every_reader_has_come_to_it(database: Database, seqs: list[int]):
    async with database.write() as connection:
        await connection.execute(insert(cursors), [{"name": "a", "seq": seqs[7]}, {"name": "b", "seq": seqs[2]}])
    assert await forget(database, 9) == 3
    assert await left(database) == seqs[3:]
    # The horizon is a cursor itself, and nobody's reading.
    async with database.write() as connection:
        await connection.execute(cursors.update().values(seq=seqs[7]).where(cursors.c.name == "b"))
    assert await forget(database, 9) == 5


async def test_old_verifications_go_but_never_a_sources_newest(database: Database):
    async with database.write() as connection:
        await add_sources(connection)
        for at in (1, 2, 3, 50):
            await add_verification(connection, replace(PROOF, verified_at=at), challenge=None)
        for at in (1, 2):
            await add_verification(connection, replace(PROOF, verified_at=at, source_id=BOB), challenge=None)
    async with database.write() as connection:
        assert await forget_verifications(connection, before=50, limit=2) == 2
        assert await forget_verifications(connection, before=50, limit=9) == 2
        assert await forget_verifications(connection, before=50, limit=9) == 0
        table = source_verifications
        rows = await connection.execute(select(table.c.source_id, table.c.verified_at).order_by(table.c.id))
        assert [tuple(row) for row in rows] == [(ANN, 50), (BOB, 2)]


async def test_old_syncs_go_but_never_a_sources_newest_or_one_that_runs(database: Database):
    async with database.write() as connection:
        await add_sources(connection)
        rows = [(ANN, 5), (ANN, None), (ANN, 60), (ANN, 7), (BOB, 5)]
        given = [
            {"source_id": source_id, "state": "finished" if ended else "running", "started_at": 1, "finished_at": ended}
            for source_id, ended in rows
        ]
        await connection.execute(insert(syncs), given)
        made = (await connection.execute(select(syncs.c.id).order_by(syncs.c.id))).scalars().all()
    async with database.write() as connection:
        assert await forget_syncs(connection, before=50, limit=9) == 1
        assert (await connection.execute(select(syncs.c.id).order_by(syncs.c.id))).scalars().all() == made[1:]


async def test_old_deliveries_go_once_they_are_over(database: Database):
    for number, state in enumerate(("pending", "delivered", "failed")):
        await add_delivery(database, number, state, created_at=49)
        await add_delivery(database, 10 + number, state, created_at=50)
    async with database.write() as connection:
        assert await forget_deliveries(connection, before=50, limit=9) == 2
        kept = (await connection.execute(select(deliveries.c.event_seq).order_by(deliveries.c.event_seq))).scalars()
        assert kept.all() == [0, 10, 11, 12]
