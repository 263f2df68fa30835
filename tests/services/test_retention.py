"""Retention over rows: shown first, then retired, and brought back; records and bytes that may be needed stay."""

import pytest
from sqlalchemy import func, select
from tests.services.conftest import START, Proving
from tests.support.records import ANN, BOB, VERDICT, add_sources, make_release

from pfn.domain.activity import EVERYTHING, NODE, Activity, ActivityType, describe
from pfn.domain.release import Release
from pfn.domain.retention import Policy
from pfn.domain.subscription import Filters
from pfn.domain.version_range import VersionRange
from pfn.protocol.errors import Code, PfnError
from pfn.services.release import ReleaseService
from pfn.services.retention import RetentionService
from pfn.services.state import StateService
from pfn.storage.activity import add_activities, list_activities
from pfn.storage.release import add_release, mark_releases, refresh_newest
from pfn.storage.schema import blobs, mirrored_plugins
from pfn.storage.subscription import put_subscription

DAY = 86_400
TWO = Policy(2, 0)


def make(proving: Proving, versions: int = 0, days: int = 0) -> RetentionService:
    return RetentionService(
        proving.database, proving.clock, versions=versions, days=days, events_keep_days=30, history_keep_days=31
    )


async def mirror(proving: Proving, slug: str, *versions: str, source_id: str = ANN, days: int = 100) -> list[Release]:
    """Store old releases of a plugin, bytes and rows."""
    found = []
    for version in versions:
        release = make_release(slug, version, source_id, mirror_date=START - days * DAY)
        temporary = proving.blobs.receive()
        temporary.file.write(f"{source_id} {slug} {version}".encode())
        await proving.blobs.keep([(temporary, release.blob)])
        temporary.discard()
        async with proving.database.write() as connection:
            await add_release(connection, release, VERDICT)
            await refresh_newest(connection, source_id, slug)
        found.append(release)
    return found


async def retired(proving: Proving) -> list[tuple[str, str]]:
    table = mirrored_plugins
    query = select(table.c.plugin_id, table.c.version).where(table.c.retired_at.is_not(None)).order_by(table.c.id)
    async with proving.database.read() as connection:
        return [(row[0], row[1]) for row in await connection.execute(query)]


@pytest.fixture(autouse=True)
async def known_sources(proving: Proving) -> None:
    async with proving.database.write() as connection:
        await add_sources(connection)


async def test_a_preview_changes_nothing_and_applying_does_just_that(proving: Proving) -> None:
    await mirror(proving, "hello", "1.0", "1.9", "1.10", "2.0-beta")
    await mirror(proving, "other", "1.0", "2.0")
    service = make(proving)
    plan = await service.preview(TWO)
    assert (plan.releases, plan.plugins) == (2, 1)
    assert [(one.plugin_id, one.versions) for one in plan.named] == [("hello", ("1.9", "1.0"))]
    assert await retired(proving) == []
    assert await service.apply("operator", TWO) == plan
    assert await retired(proving) == [("hello", "1.0"), ("hello", "1.9")]
    assert (await service.apply("operator", TWO)).releases == 0
    async with proving.database.read() as connection:
        (event,) = await list_activities(connection, EVERYTHING, limit=9)
    assert (event.type, event.actor, event.private) == (ActivityType.FEDERATION_EVENT, "operator", True)
    assert event.details["releases"] == 2


async def test_the_nodes_own_policy_keeps_all_unless_it_says_otherwise(proving: Proving) -> None:
    await mirror(proving, "hello", "1.0", "2.0", "3.0")
    assert (await make(proving).apply("node")).releases == 0
    assert (await make(proving, 1, days=101).apply("node")).releases == 0
    assert (await make(proving, 1, days=99).apply("node")).releases == 2


async def test_what_was_withdrawn_is_left_as_it_is(proving: Proving) -> None:
    await mirror(proving, "hello", "1.0", "2.0", "3.0", "4.0", "5.0")
    async with proving.database.write() as connection:
        await mark_releases(connection, ANN, "hello", "1.0", yanked_at=5, yank_reason="A hole.")
        await mark_releases(connection, ANN, "hello", "2.0", block_reason="Its key was stolen.")
        await mark_releases(connection, ANN, "hello", "5.0", yanked_at=5, yank_reason="Broken.")
        await refresh_newest(connection, ANN, "hello")
    await make(proving).apply("operator", Policy(1, 0))
    # 4.0 is the newest that is offered.
    assert await retired(proving) == [("hello", "3.0")]


async def test_what_a_subscriptions_range_takes_is_kept(proving: Proving) -> None:
    for slug in ("hello", "other"):
        await mirror(proving, slug, "1.0", "1.1", "2.0", "3.0")
    async with proving.database.write() as connection:
        filters = Filters(slugs=("Hello",), versions=VersionRange.parse("<2"))
        await put_subscription(connection, ANN, "agency", filters, START)
    await make(proving).apply("operator", Policy(1, 0))
    assert await retired(proving) == [
        ("hello", "1.0"),
        ("hello", "2.0"),
        *(("other", version) for version in ("1.0", "1.1", "2.0")),
    ]


async def test_of_one_source_alone(proving: Proving) -> None:
    for source_id in (ANN, BOB):
        await mirror(proving, "hello", "1.0", "2.0", source_id=source_id)
    service = make(proving)
    assert (await service.preview(Policy(1, 0))).releases == 2
    assert (await service.apply("operator", Policy(1, 0), source_id=BOB)).releases == 1
    assert (await service.preview(Policy(1, 0))).source_id is None
    with pytest.raises(PfnError) as unknown:
        await service.preview(TWO, source_id="nobody@nowhere.example")
    assert unknown.value.code is Code.SOURCE_UNKNOWN


async def test_a_retired_release_is_on_record_and_not_served(proving: Proving) -> None:
    old, new = await mirror(proving, "hello", "1.0", "2.0")
    releases = ReleaseService(proving.database, proving.blobs, proving.rechecks._statements, proving.clock)
    before = await StateService(proving.database).held()
    await make(proving).apply("operator", Policy(1, 0))
    _, found = await releases.find(ANN, "hello", "1.0")
    assert found.retired_at == START
    for asked in (
        releases.find_download(ANN, "hello", "1.0"),
        releases.verify(ANN, "hello", "1.0"),
        releases.find_blob(old.blob.sha256),
    ):
        with pytest.raises(PfnError) as refused:
            await asked
        assert refused.value.code is Code.RELEASE_RETIRED
    assert (await releases.find_download(ANN, "hello")).version == "2.0"
    assert await releases.find_blob(new.blob.sha256) == new.blob
    # To peers it is as it was: they have taken the same releases.
    assert (await StateService(proving.database).held()).digest == before.digest


async def test_undoing_brings_back_all_and_has_lost_bytes_fetched(proving: Proving) -> None:
    old, _, _ = await mirror(proving, "hello", "1.0", "2.0", "3.0")
    service = make(proving)
    await service.apply("operator", TWO)
    back = await service.undo("operator")
    assert (back.releases, back.missing) == (1, 0)
    assert await retired(proving) == []
    await service.apply("operator", Policy(1, 0))
    assert (await service.standing()).gone == 0
    proving.clock.now += 8 * DAY
    assert (await proving.garbage.collect("operator")).retired == 2
    standing = await service.standing()
    assert (standing.releases, standing.gone) == (2, 2)
    back = await service.undo("operator", source_id=ANN)
    assert (back.releases, back.missing) == (2, 2)
    async with proving.database.read() as connection:
        damaged = (await connection.execute(select(func.count(blobs.c.corrupt_at)))).scalar_one()
    assert damaged == 2
    # Nobody has them: they stay damaged, and are looked for again.
    assert (await proving.scrubs.run(await proving.scrubs.begin(), 0)).detail is not None
    assert (await proving.scrubs.status()).damaged == 2
    assert not proving.blobs.local(old.blob).exists()


async def test_when_the_newest_is_yanked_nothing_retired_is_offered_until_it_is_brought_back(proving: Proving) -> None:
    await mirror(proving, "hello", "1.0", "2.0", "3.0")
    service = make(proving)
    await service.apply("operator", Policy(1, 0))
    async with proving.database.write() as connection:
        await mark_releases(connection, ANN, "hello", "3.0", yanked_at=5, yank_reason="Broken.")
        await refresh_newest(connection, ANN, "hello")
    releases = ReleaseService(proving.database, proving.blobs, proving.rechecks._statements, proving.clock)
    with pytest.raises(PfnError) as refused:
        await releases.find_download(ANN, "hello")
    assert refused.value.code is Code.RELEASE_YANKED
    await service.undo("operator")
    assert (await releases.find_download(ANN, "hello")).version == "2.0"


async def test_what_housekeeping_would_forget_is_counted(proving: Proving) -> None:
    events = [
        Activity(ActivityType.HEALTH_CHANGE, START - days * DAY, NODE, describe("down", "It is down."))
        for days in (40, 31, 29, 0)
    ]
    async with proving.database.write() as connection:
        await add_activities(connection, events)
    assert await make(proving).count_history() == {"events": 2, "verifications": 0, "syncs": 0, "deliveries": 0}
