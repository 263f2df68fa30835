"""Verifications by themselves and on request: what they are recorded as, who hears of them, what comes next."""

import asyncio

import pytest
from tests.services.conftest import Proving

from pfn.domain.activity import NODE
from pfn.domain.health import HealthState
from pfn.domain.schedule import Result, Work
from pfn.domain.source import SourceStatus
from pfn.domain.verification import Verification, VerificationType
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.storage.verification import list_verifications
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2

DAY = 86_400
INFO, PROOF = "/federation-info", "/verify-ownership"


async def history(proving: Proving, source_id: str) -> list[Verification]:
    """Every verification, oldest first."""
    async with proving.database.read() as connection:
        return list(await list_verifications(connection, source_id, limit=100))[::-1]


async def kinds(proving: Proving, source_id: str) -> list[str]:
    return [f"{one.verification_type.value} {one.result.value}" for one in await history(proving, source_id)]


async def test_the_first_is_initial_what_follows_is_periodic_and_what_is_asked_for_manual(
    proving: Proving, publisher: FakePublisher
) -> None:
    source_id = await proving.register(publisher)
    outcome = await proving.verifications.run_due(source_id)
    assert (outcome.result, outcome.wait) == (Result.UNCHANGED, None)
    await proving.verifications.run_due(source_id)
    await proving.verifications.verify(source_id, VerificationType.MANUAL, "a key")
    await proving.verifications.run_due(source_id)
    assert await kinds(proving, source_id) == [
        "initial success",
        "periodic success",
        "manual success",
        "periodic success",
    ]
    assert [one.verifier for one in await history(proving, source_id)] == ["node", "node", "a key", "node"]
    # Whatever it is called, the key is asked for.
    assert all(
        "ownership_signature" in {check.name for check in one.checks} for one in await history(proving, source_id)
    )


async def test_it_stays_initial_until_one_succeeded(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    publisher.faults[INFO] = faults.status(503)
    for _ in range(2):
        outcome = await proving.verifications.run_due(source_id)
        assert (outcome.result, outcome.detail) == (Result.FAILED, "publisher_status")
    publisher.faults.clear()
    await proving.verifications.run_due(source_id)
    assert await kinds(proving, source_id) == ["initial failure", "initial failure", "initial success"]
    # The feed hears of every first try, however often it fails.
    assert (await proving.actions(source_id)).count("verification_failed") == 2


async def test_the_feed_hears_of_regular_ones_only_what_is_new(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    honest = publisher.proof_key
    for fault, key in (
        (None, honest),
        (None, honest),
        (faults.status(503), honest),
        (faults.status(503), honest),
        (faults.hang_up(), honest),
        (None, SigningKey.generate()),
        (None, SigningKey.generate()),
        (None, honest),
        (None, honest),
    ):
        publisher.faults = {INFO: fault} if fault else {}
        publisher.proof_key = key
        await proving.verifications.run_due(source_id)
    told = [
        str(event.details["code"])
        for event in await proving.events(source_id)
        if str(event.details["action"]).startswith("verification")
    ]
    assert told == ["None", "publisher_status", "source_unreachable", "ownership_signature", "None"]
    assert len(await history(proving, source_id)) == 9


async def test_what_a_person_asks_for_is_always_told(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    for _ in range(3):
        await proving.verifications.verify(source_id, VerificationType.MANUAL, "a key")
    assert await proving.actions(source_id) == ["verification_succeeded"] * 3
    assert {event.actor for event in await proving.events(source_id)} == {"a key"}


async def test_a_false_proof_waits_for_the_regular_time_and_silence_does_not(
    proving: Proving, publisher: FakePublisher
) -> None:
    source_id = await proving.register(publisher)
    publisher.proof_key = SigningKey.generate()
    outcome = await proving.verifications.run_due(source_id)
    assert (outcome.result, outcome.detail) == (Result.UNCHANGED, "ownership_signature")
    assert (await proving.source(source_id)).status is SourceStatus.ERROR
    publisher.faults[INFO] = faults.hang_up()
    assert (await proving.verifications.run_due(source_id)).result is Result.FAILED


async def test_a_status_brings_its_work_with_it(proving: Proving, publisher: FakePublisher) -> None:
    source_id = await proving.register(publisher)
    assert await proving.due(Work.SYNC, source_id) is None
    await proving.verifications.run_due(source_id)
    for kind in (Work.SYNC, Work.RECHECK, Work.VERIFY, Work.PROBE):
        assert await proving.due(kind, source_id) is not None
    publisher.proof_key = SigningKey.generate()
    await proving.verifications.run_due(source_id)
    assert await proving.due(Work.SYNC, source_id) is None
    assert await proving.due(Work.VERIFY, source_id) is not None


class TestLease:
    async def test_what_is_due_is_done_once_and_planned(self, proving: Proving, publisher: FakePublisher) -> None:
        source_id = await proving.register(publisher)
        found = await asyncio.gather(*(proving.verifications.verify_now_if_due(source_id) for _ in range(3)))
        assert [one.verification_type for one in found if one] == [VerificationType.INITIAL]
        assert await proving.verifications.verify_now_if_due(source_id) is None
        due = await proving.due(Work.VERIFY, source_id)
        assert due is not None
        assert (due.due_at, due.owner, due.outcome) == (proving.clock.now + DAY, None, "verified")
        proving.clock.now += DAY
        again = await proving.verifications.verify_now_if_due(source_id)
        assert again is not None
        assert again.verification_type is VerificationType.PERIODIC
        assert again.verifier == NODE

    async def test_one_that_is_under_way_is_left_to_who_does_it(
        self, proving: Proving, publisher: FakePublisher
    ) -> None:
        source_id = await proving.register(publisher)
        lease = await proving.leases.claim(Work.VERIFY, source_id)
        assert lease is not None
        assert await proving.verifications.verify_now_if_due(source_id) is None
        assert publisher.requests == []

    async def test_a_person_waits_for_who_does_it_and_plans_nothing(
        self, proving: Proving, publisher: FakePublisher
    ) -> None:
        source_id = await proving.register(publisher)
        await proving.verifications.verify_now_if_due(source_id)
        before = await proving.due(Work.VERIFY, source_id)
        lease = await proving.leases.claim(Work.VERIFY, source_id)
        assert lease is not None
        publisher.requests.clear()
        asked = asyncio.create_task(proving.verifications.verify(source_id, VerificationType.MANUAL, "a key"))
        await asyncio.sleep(0.3)
        assert publisher.requests == []
        await proving.leases.end(lease)
        assert (await asked).verification_type is VerificationType.MANUAL
        assert await proving.due(Work.VERIFY, source_id) == before

    async def test_who_is_stopped_gives_the_row_back_as_it_was(
        self, proving: Proving, publisher: FakePublisher
    ) -> None:
        source_id = await proving.register(publisher)
        before = await proving.due(Work.VERIFY, source_id)
        publisher.faults[INFO] = faults.hang()
        task = asyncio.create_task(proving.verifications.verify_now_if_due(source_id))
        while not publisher.requests:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        after = await proving.due(Work.VERIFY, source_id)
        assert before is not None
        assert after is not None
        assert (after.owner, after.due_at) == (None, before.due_at)
        assert await history(proving, source_id) == []

    async def test_a_key_given_meanwhile_is_the_one_to_prove(self, proving: Proving, publisher: FakePublisher) -> None:
        source_id = await proving.register(publisher, public_key=SigningKey.generate().public_key.pem)
        changed = False

        async def change(honest: faults.Answer, writer: asyncio.StreamWriter) -> None:
            nonlocal changed
            if not changed:
                changed = True
                await proving.change(source_id, public_key=publisher.public_key_pem)
            writer.write(faults.Answer(honest.status, {**honest.headers, "Connection": "close"}, honest.body).head())
            writer.write(honest.body)
            await writer.drain()

        publisher.faults[INFO] = change
        assert (await proving.verifications.run_due(source_id)).detail == "verified"
        assert await kinds(proving, source_id) == ["initial success"]

    @pytest.mark.parametrize("status", ["suspended", "removed"])
    async def test_who_is_suspended_or_removed_is_left_alone(
        self, proving: Proving, publisher: FakePublisher, status: str
    ) -> None:
        source_id = await proving.register(publisher)
        await proving.change(source_id, status=status)
        assert (await proving.verifications.run_due(source_id)).result is Result.UNCHANGED
        assert publisher.requests == []
        with pytest.raises(PfnError) as caught:
            await proving.verifications.verify(source_id, VerificationType.MANUAL, "a key")
        assert caught.value.code in {Code.SOURCE_SUSPENDED, Code.SOURCE_UNKNOWN}


class TestHealth:
    async def test_a_verification_is_a_probe_too(self, proving: Proving, publisher: FakePublisher) -> None:
        source_id = await proving.register(publisher)
        for _ in range(2):
            await proving.verifications.run_due(source_id)
        publisher.faults[PROOF] = faults.status(500)
        await proving.verifications.run_due(source_id)
        report = await proving.health.report(source_id)
        [hour] = report.hours
        assert (hour.probes, hour.failed, hour.worst, hour.triggered) == (3, 1, 0, False)
        assert report.summary.health is not None
        assert report.summary.health.last_code == "publisher_status"

    async def test_who_gave_a_false_proof_did_answer(self, proving: Proving, publisher: FakePublisher) -> None:
        source_id = await proving.register(publisher)
        publisher.proof_key = SigningKey.generate()
        await proving.verifications.run_due(source_id)
        report = await proving.health.report(source_id)
        assert report.summary.health is not None
        assert report.summary.health.state is HealthState.HEALTHY
        assert report.summary.uptime.day == 1

    async def test_a_static_publisher_is_as_well_as_its_key_document(self, proving: Proving) -> None:
        async with FakePublisherV2("alice", now=int(proving.clock.now)) as publisher:
            publisher.faults[INFO] = faults.status(404)
            source_id = await proving.register(publisher)
            await proving.verifications.run_due(source_id)
        report = await proving.health.report(source_id)
        assert report.summary.uptime.day == 1
        assert (await history(proving, source_id))[0].response_ms is None

    async def test_what_a_person_asks_for_can_only_lower(self, proving: Proving, publisher: FakePublisher) -> None:
        source_id = await proving.register(publisher)
        await proving.verifications.verify(source_id, VerificationType.MANUAL, "a key")
        assert (await proving.health.report(source_id)).hours == []
        publisher.faults[INFO] = faults.hang_up()
        await proving.verifications.verify(source_id, VerificationType.MANUAL, "a key")
        [hour] = (await proving.health.report(source_id)).hours
        assert (hour.probes, hour.failed, hour.worst, hour.triggered) == (1, 1, 0, True)
