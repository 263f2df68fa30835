"""Readiness: what makes a node unable to serve, and what only stops it from taking in more."""

import shutil
from pathlib import Path
from typing import NamedTuple

import pytest
from sqlalchemy import text

from pfn.protocol.errors import Code, PfnError
from pfn.services.readiness import FRESH_S, Readiness, ReadinessService
from pfn.storage.database import Database, sqlite_url
from pfn.storage.file_blobs import FileBlobStore
from pfn.storage.log import halt_log, resume_log

MIN_FREE = 1024


class Time:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class BucketOfTests(FileBlobStore):
    """A store that is elsewhere, and away when it is told to be."""

    away = False

    async def ping(self) -> None:
        if self.away:
            raise PfnError(Code.STORAGE_UNAVAILABLE, "It does not answer.", internal="192.0.2.9 refused")


class Look(NamedTuple):
    database: Database
    service: ReadinessService
    blobs: Path
    clock: Time

    async def again(self) -> Readiness:
        self.clock.now += FRESH_S
        return await self.service.check()


@pytest.fixture
def look(tmp_path: Path, database: Database) -> Look:
    blobs = tmp_path / "blobs"
    (blobs / "tmp").mkdir(parents=True)
    clock = Time()
    return Look(database, ReadinessService(database, clock, blobs, min_free_bytes=MIN_FREE), blobs, clock)


def states(readiness: Readiness) -> dict[str, str]:
    return {check.name: check.state.value for check in readiness.checks}


async def test_a_whole_node_is_ready_and_leaves_nothing_behind(look: Look) -> None:
    readiness = await look.service.check()
    assert (readiness.state, readiness.serves) == ("ready", True)
    assert states(readiness) == {"database": "ok", "schema": "ok", "log": "ok", "blobs": "ok", "space": "ok"}
    assert list((look.blobs / "tmp").iterdir()) == []


async def test_a_full_disk_degrades(look: Look) -> None:
    service = ReadinessService(look.database, look.clock, look.blobs, min_free_bytes=2**62)
    readiness = await service.check()
    assert (readiness.state, readiness.serves) == ("degraded", True)
    assert states(readiness)["space"] == "degraded"


async def test_a_halted_log_degrades_until_it_is_resumed(look: Look) -> None:
    async with look.database.write() as connection:
        await halt_log(connection, "Somebody at 192.0.2.1 has seen more.", 5)
    readiness = await look.service.check()
    assert (readiness.state, readiness.serves) == ("degraded", True)
    (check,) = [check for check in readiness.checks if check.name == "log"]
    assert (check.state.value, "192.0.2.1" in check.sentence) == ("degraded", False)
    async with look.database.write() as connection:
        await resume_log(connection)
    assert (await look.again()).state == "ready"


async def test_a_folder_that_takes_nothing_degrades(look: Look) -> None:
    (look.blobs / "tmp").rmdir()
    readiness = await look.service.check()
    assert (readiness.state, states(readiness)["blobs"]) == ("degraded", "degraded")


async def test_a_folder_that_is_gone_fails(look: Look) -> None:
    shutil.rmtree(look.blobs)
    readiness = await look.service.check()
    assert (readiness.state, readiness.serves) == ("not_ready", False)
    assert states(readiness) == {"database": "ok", "schema": "ok", "log": "ok", "blobs": "failed"}


async def test_a_bucket_that_is_away_degrades_until_it_is_back(look: Look) -> None:
    bucket = BucketOfTests(look.blobs)
    look = look._replace(
        service=ReadinessService(look.database, look.clock, look.blobs, min_free_bytes=MIN_FREE, bucket=bucket)
    )
    assert (await look.service.check()).state == "ready"
    bucket.away = True
    readiness = await look.again()
    assert (readiness.state, states(readiness)["bucket"]) == ("degraded", "degraded")
    assert not [check for check in readiness.checks if "192.0.2.9" in check.sentence]
    bucket.away = False
    assert (await look.again()).state == "ready"


async def test_another_schema_fails_until_it_is_put_right(look: Look) -> None:
    async with look.database.write() as connection:
        present = (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar_one()
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert states(await look.again())["schema"] == "failed"
    async with look.database.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = :present"), {"present": present})
    assert (await look.again()).state == "ready"


async def test_a_database_that_is_away_fails(look: Look, tmp_path: Path) -> None:
    away = Database(sqlite_url(tmp_path / "nowhere" / "node.db"))
    readiness = await ReadinessService(away, look.clock, look.blobs, min_free_bytes=0).check()
    assert states(readiness) == {"database": "failed", "blobs": "ok", "space": "ok"}
    assert not readiness.serves
    await away.close()


async def test_no_sentence_tells_a_path(look: Look, tmp_path: Path) -> None:
    shutil.rmtree(look.blobs)
    for check in (await look.service.check()).checks:
        assert str(tmp_path) not in check.sentence
        assert look.database.url.database is not None
        assert look.database.url.database not in check.sentence


async def test_who_asks_all_the_time_gets_the_answer_of_a_moment_ago(look: Look) -> None:
    first = await look.service.check()
    shutil.rmtree(look.blobs)
    assert await look.service.check() is first
    assert not (await look.again()).serves
