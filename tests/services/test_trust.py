"""Trust from the stored record: every term has its evidence, and only what weighs is in it."""

import pytest
from tests.services.conftest import Proving
from tests.support.records import VERDICT, make_release

from pfn.domain.trust import DAY, Gate, Trust
from pfn.domain.verification import VerificationType
from pfn.services.trust import explain_trust, refresh_all
from pfn.storage.recheck import add_recheck
from pfn.storage.release import add_release
from pfn.storage.trust_day import TrustDay, list_trust_days
from pfn.testing import faults
from pfn.testing.publisher import FakePublisher


async def explain(proving: Proving, source_id: str) -> Trust:
    async with proving.database.read() as connection:
        source = await proving.source(source_id)
        return await explain_trust(connection, source, proving.clock.now)


async def terms(proving: Proving, source_id: str) -> dict[str, tuple[float, float]]:
    """The evidence of each class: good and bad, faded."""
    trust = await explain(proving, source_id)
    return {term.name: (round(term.good, 3), round(term.bad, 3)) for term in trust.terms[:3]}


async def mirror(proving: Proving, source_id: str, slug: str = "hello") -> None:
    async with proving.database.write() as connection:
        release = make_release(slug, source_id=source_id, mirror_date=int(proving.clock.now))
        await add_release(connection, release, VERDICT)


async def recheck(proving: Proving, source_id: str, *, failed: int = 0) -> None:
    async with proving.database.write() as connection:
        await add_recheck(connection, source_id, int(proving.clock.now // DAY), checked=1, failed=failed)


@pytest.fixture
async def source_id(proving: Proving, publisher: FakePublisher) -> str:
    """A source with one proof, one probe and one signed release, just after midnight."""
    proving.clock.now -= proving.clock.now % DAY
    source_id = await proving.register(publisher)
    await proving.verifications.run_due(source_id)
    await mirror(proving, source_id)
    return source_id


async def test_every_class_has_its_evidence(proving: Proving, source_id: str) -> None:
    assert await terms(proving, source_id) == {"signatures": (1, 0), "ownership": (1, 0), "uptime": (1, 0)}
    await recheck(proving, source_id)
    assert (await terms(proving, source_id))["signatures"] == (2, 0)
    trust = await explain(proving, source_id)
    assert trust.score == trust.earned > 0
    assert trust.gates == ()


async def test_probes_are_the_uptime_and_no_proofs(proving: Proving, source_id: str, publisher: FakePublisher) -> None:
    for hour in range(1, 5):
        proving.clock.now += 3600
        publisher.faults = {"/federation-info": faults.hang_up()} if hour == 4 else {}
        await proving.health.probe(source_id)
        await proving.health.probe(source_id)
    good, bad = (await terms(proving, source_id))["uptime"]
    assert 3.9 < good < 4
    assert bad == 1
    assert (await terms(proving, source_id))["ownership"][1] == 0


async def test_what_a_person_triggers_only_lowers(proving: Proving, source_id: str, publisher: FakePublisher) -> None:
    before = await explain(proving, source_id)
    proving.clock.now += 3600
    fresh = await explain(proving, source_id)
    for _ in range(5):
        await proving.verifications.verify(source_id, VerificationType.MANUAL, "a key")
    assert (await explain(proving, source_id)).earned == fresh.earned < before.earned
    publisher.faults = {"/federation-info": faults.hang_up()}
    await proving.verifications.verify(source_id, VerificationType.MANUAL, "a key")
    assert (await explain(proving, source_id)).earned < fresh.earned
    # Silence is no false proof.
    assert (await terms(proving, source_id))["ownership"][1] == 0


async def test_a_proof_that_fails_again_shows_at_once_and_for_30_days(proving: Proving, source_id: str) -> None:
    await recheck(proving, source_id, failed=1)
    trust = await explain(proving, source_id)
    assert Gate.RECENT_MISMATCH in trust.gates
    assert trust.terms[0].bad == 5
    proving.clock.now += 30 * DAY
    assert Gate.RECENT_MISMATCH not in (await explain(proving, source_id)).gates


async def test_scores_fade_with_housekeeping(proving: Proving, source_id: str, publisher: FakePublisher) -> None:
    await proving.register(publisher, id="bob@elsewhere.example", username="bob")
    proving.clock.now += 5 * DAY
    kept = (await proving.source(source_id)).trust_score
    assert await refresh_all(proving.database, proving.clock.now) == 2
    faded = (await proving.source(source_id)).trust_score
    assert 0 < faded == (await explain(proving, source_id)).score
    assert faded != kept
    assert (await proving.source("bob@elsewhere.example")).trust_score == 0
    async with proving.database.read() as connection:
        day = int(proving.clock.now // DAY)
        assert await list_trust_days(connection, source_id, 0) == [TrustDay(day, faded, faded)]
