"""Subscriptions in the service: a wish that changes makes the sync due at once, and only where one may run."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.rows import own_rows

from pfn.app import open_services, prepare
from pfn.domain.access import Grant
from pfn.domain.schedule import Work
from pfn.domain.subscription import Filters
from pfn.domain.verification import VERIFIED_BY_NODE, VerificationType
from pfn.protocol.errors import Code, PfnError
from pfn.services.node import Services
from pfn.settings import Settings
from pfn.testing.publisher import FakePublisher

KEY = "a master key of a node that is a test's own"
FORMS = Filters(slugs=("forms",))


class Time:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def services(tmp_path: Path, clock: Time) -> AsyncIterator[Services]:
    settings = Settings(
        data=tmp_path / "node", allow_loopback=True, master_key=KEY, work=False, **own_rows(tmp_path / "node")
    )
    async with open_services(prepare(settings), clock) as services:
        yield services


@pytest.fixture
async def grant(services: Services) -> Grant:
    return await services.access.authenticate(KEY, caller="test")


@pytest.fixture
async def source_id(services: Services) -> AsyncIterator[str]:
    """A verified source with two plugins."""
    async with FakePublisher() as publisher:
        publisher.add_plugin("forms", "1.0")
        publisher.add_plugin("gallery", "1.0")
        source = await services.sources.add("test", publisher.url, "alice", publisher.public_key_pem)
        await services.verifications.verify(source.id, VerificationType.INITIAL, VERIFIED_BY_NODE)
        yield source.id


async def sync_due_at(services: Services, source_id: str) -> int | None:
    return next((due.due_at for due in await services.schedule.list(source_id) if due.kind is Work.SYNC), None)


async def test_a_change_makes_the_sync_due_at_once(
    services: Services, grant: Grant, clock: Time, source_id: str
) -> None:
    made = (await services.subscriptions.subscribe(grant, source_id, FORMS)).subscription
    planned = await sync_due_at(services, source_id)
    assert planned is not None
    assert planned > clock.now
    clock.now += 1
    changed = await services.subscriptions.change(grant, made.id, Filters())
    assert changed.filters == Filters()
    assert await sync_due_at(services, source_id) == clock.now


async def test_a_change_wakes_nothing_of_a_suspended_source(services: Services, grant: Grant, source_id: str) -> None:
    made = (await services.subscriptions.subscribe(grant, source_id, FORMS)).subscription
    await services.sources.suspend("test", source_id, "a test")
    await services.subscriptions.change(grant, made.id, Filters())
    assert await sync_due_at(services, source_id) is None


async def test_a_preview_leaves_the_plan_alone(services: Services, grant: Grant, clock: Time, source_id: str) -> None:
    await services.subscriptions.subscribe(grant, source_id, FORMS)
    planned = await sync_due_at(services, source_id)
    clock.now += 1
    found = await services.subscriptions.preview(grant, source_id, Filters())
    assert [(one.listing.slug, one.taken, one.mirrored) for one in found.plugins] == [
        ("forms", True, True),
        ("gallery", True, False),
    ]
    assert await sync_due_at(services, source_id) == planned


async def test_the_days_of_a_cool_down_count_from_when_the_node_first_saw_a_version(
    services: Services, grant: Grant, clock: Time, source_id: str
) -> None:
    week = Filters(minimum_age_days=7)
    seen = int(clock.now)
    done = await services.subscriptions.subscribe(grant, source_id, week)
    assert (done.outcome.sync.mirrored, done.outcome.sync.total) == (0, 2)
    clock.now += 7 * 86_400 - 1
    found = await services.subscriptions.preview(grant, source_id, week)
    assert {skip.until for one in found.plugins for skip in one.skips} == {seen + 7 * 86_400}
    clock.now += 1
    assert (await services.subscriptions.preview(grant, source_id, week)).taken == 2
    assert (await services.subscriptions.subscribe(grant, source_id, week)).outcome.sync.mirrored == 2


async def test_a_subscription_that_ended_cannot_be_changed(services: Services, grant: Grant, source_id: str) -> None:
    made = (await services.subscriptions.subscribe(grant, source_id, FORMS)).subscription
    ended = await services.subscriptions.end(grant, made.id)
    assert await services.subscriptions.end(grant, made.id) == ended
    with pytest.raises(PfnError) as refused:
        await services.subscriptions.change(grant, made.id, Filters())
    assert refused.value.code is Code.WRONG_STATE
