"""The days of a node: what came on each, and what was stored by its end."""

from dataclasses import replace
from pathlib import Path

from sqlalchemy import update
from tests.support.records import ANN, add_sources, make_release, offer

from pfn.domain.trust import DAY
from pfn.services.measure import HISTORY_DAYS, MeasureService, NodeDay
from pfn.storage.database import Database
from pfn.storage.schema import blobs

TODAY = 20_000


async def fill(database: Database, *days: int, size: int = 100) -> None:
    """Mirror a release of ``size`` bytes on each of these days."""
    async with database.write() as connection:
        await add_sources(connection, ANN)
        for number, day in enumerate(days):
            release = make_release("hello", f"1.{number}", mirror_date=day * DAY + 3600)
            release = replace(release, blob=replace(release.blob, size=size))
            await offer(connection, release)
            stored = update(blobs).where(blobs.c.sha256 == release.blob.sha256)
            await connection.execute(stored.values(stored_at=day * DAY + 3600))


async def test_days_have_what_came_and_what_is_stored(database: Database, tmp_path: Path) -> None:
    await fill(database, TODAY - 400, TODAY - HISTORY_DAYS, TODAY - HISTORY_DAYS + 1, TODAY - 1, TODAY - 1, TODAY)
    days = await MeasureService(database, lambda: TODAY * DAY + 7200.0, tmp_path).history()
    assert len(days) == HISTORY_DAYS
    assert days[0] == NodeDay((TODAY - HISTORY_DAYS + 1) * DAY, 1, 300)
    assert days[1] == NodeDay((TODAY - HISTORY_DAYS + 2) * DAY, 0, 300)
    assert days[-2:] == [NodeDay((TODAY - 1) * DAY, 2, 500), NodeDay(TODAY * DAY, 1, 600)]


async def test_an_empty_node_has_days_too(database: Database, tmp_path: Path) -> None:
    days = await MeasureService(database, lambda: TODAY * DAY + 0.0, tmp_path).history()
    assert [(day.mirrored, day.stored) for day in days] == [(0, 0)] * HISTORY_DAYS


async def test_it_looks_once_a_minute(database: Database, tmp_path: Path) -> None:
    now = [TODAY * DAY + 7200.0]
    service = MeasureService(database, lambda: now[0], tmp_path)
    assert (await service.history())[-1].mirrored == 0
    await fill(database, TODAY)
    assert (await service.history())[-1].mirrored == 0
    now[0] += 60
    assert (await service.history())[-1].mirrored == 1
