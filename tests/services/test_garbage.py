"""Garbage: what no row needs goes after its grace period; what anything needs stays, whoever is at work meanwhile."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select, text
from tests.services.conftest import START, Proving
from tests.support.records import ANN, BOB, VERDICT, add_sources, make_blob, make_release, make_source

from pfn.domain.quarantine import Quarantined
from pfn.domain.quota import Quota
from pfn.domain.release import Blob, Release
from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.sync import Listing
from pfn.protocol.errors import Code, PfnError
from pfn.services.arrival import Arrival, ArrivalService
from pfn.services.sync_progress import SyncProgress
from pfn.storage.blob_store import Temporary
from pfn.storage.quarantine import put_quarantined
from pfn.storage.release import add_release, forget_source_releases
from pfn.storage.schema import blobs, mirrored_plugins

DAY = 86_400
OLD = START - 30 * DAY
NO_QUOTA = Quota(0, 0, 0, 0)


class Killed(BaseException):
    """A kill, as far as one process can play it: nothing after it runs but what gives a transaction up."""


def age(path: Path, at: float = OLD) -> None:
    os.utime(path, (at, at))


async def keep(proving: Proving, content: bytes, *, at: float = OLD) -> Blob:
    """Store bytes as of a time, without any row."""
    temporary, blob = proving.blobs.receive(), make_blob(content)
    temporary.file.write(content)
    await proving.blobs.keep([(temporary, blob)])
    temporary.discard()
    age(proving.blobs.local(blob), at)
    return blob


async def mirror(proving: Proving, slug: str, version: str = "1.0", source_id: str = ANN, **changes: object) -> Release:
    """Store a release, bytes and row."""
    release = make_release(slug, version, source_id, mirror_date=OLD, **changes)  # type: ignore[arg-type]
    content = f"{source_id} {slug} {version}".encode()
    await keep(proving, content)
    async with proving.database.write() as connection:
        await add_release(connection, release, VERDICT)
    return release


async def retire(proving: Proving, release: Release, at: int) -> None:
    async with proving.database.write() as connection:
        await connection.execute(
            mirrored_plugins.update().where(mirrored_plugins.c.sha256 == release.blob.sha256).values(retired_at=at)
        )


async def rows(proving: Proving) -> dict[str, int | None]:
    """Map the digest of every blob's row to since when its bytes are gone."""
    async with proving.database.read() as connection:
        return {row[0]: row[1] for row in await connection.execute(select(blobs.c.sha256, blobs.c.gone_at))}


def stored(proving: Proving, *found: Blob) -> list[bool]:
    return [proving.blobs.local(blob).exists() for blob in found]


@pytest.fixture(autouse=True)
async def known_sources(proving: Proving) -> None:
    async with proving.database.write() as connection:
        await add_sources(connection)


async def test_what_no_row_speaks_of_goes_after_the_grace_period_alone(proving: Proving) -> None:
    old = await keep(proving, b"left by a crash")
    young = await keep(proving, b"arriving", at=START - 6 * DAY)
    needed = await mirror(proving, "hello")
    gone = await proving.garbage.collect("operator")
    assert (gone.blobs, gone.bytes, gone.retired) == (1, old.size, 0)
    assert stored(proving, old, young, needed.blob) == [False, True, True]
    proving.clock.now += 2 * DAY
    assert (await proving.garbage.collect("operator")).blobs == 1
    assert stored(proving, young, needed.blob) == [False, True]


async def test_a_purge_leaves_garbage_but_for_what_another_source_has(proving: Proving) -> None:
    own, shared = await mirror(proving, "own"), await mirror(proving, "shared")
    other = make_release("shared", "1.0", BOB, content=f"{ANN} shared 1.0".encode())
    async with proving.database.write() as connection:
        await add_release(connection, other, VERDICT)
        await forget_source_releases(connection, ANN)
    gone = await proving.garbage.collect("operator")
    assert gone.blobs == 1
    assert stored(proving, own.blob, shared.blob) == [False, True]
    assert await rows(proving) == {shared.blob.sha256: None}


async def test_bytes_of_a_retired_release_wait_and_leave_their_row(proving: Proving) -> None:
    release = await mirror(proving, "hello")
    await retire(proving, release, START - 3 * DAY)
    assert (await proving.garbage.collect("operator")).blobs == 0
    proving.clock.now += 5 * DAY
    gone = await proving.garbage.collect("operator")
    assert (gone.blobs, gone.retired) == (1, 1)
    assert stored(proving, release.blob) == [False]
    assert await rows(proving) == {release.blob.sha256: START + 5 * DAY}
    assert (await proving.garbage.collect("operator")).is_empty


async def test_looking_deletes_nothing_and_tells_the_same(proving: Proving) -> None:
    found = [await keep(proving, bytes([number]) * 100) for number in range(70)]
    before = await rows(proving)
    looked = await proving.garbage.look()
    assert (looked.blobs, looked.bytes, looked.files) == (70, 7000, None)
    assert all(stored(proving, *found))
    assert await rows(proving) == before
    gone = await proving.garbage.collect("operator")
    assert (gone.blobs, gone.bytes) == (looked.blobs, looked.bytes)
    assert not any(stored(proving, *found))


async def test_quarantine_is_kept_for_as_long_as_it_has_a_row(proving: Proving, tmp_path: Path) -> None:
    folder = tmp_path / "blobs" / "quarantine"
    digests = []
    for content in (b"held", b"let go"):
        temporary, blob = proving.blobs.receive(), make_blob(content)
        temporary.file.write(content)
        await proving.blobs.quarantine(temporary, blob.sha256)
        age(folder / blob.sha256)
        digests.append(blob.sha256)
    async with proving.database.write() as connection:
        await put_quarantined(
            connection, Quarantined(ANN, "held", "1.0", "zip_refused", "Broken.", OLD, digests[0], len(b"held"))
        )
    assert (await proving.garbage.look()).quarantined == 1
    assert (await proving.garbage.collect("operator")).quarantined == 1
    assert [path.name for path in folder.iterdir()] == [digests[0]]


async def test_abandoned_files_go_and_damaged_bytes_wait_for_a_month(proving: Proving, tmp_path: Path) -> None:
    temporary, writing = proving.blobs.receive(), proving.blobs.receive()
    for one in (temporary, writing):
        one.file.close()
    age(temporary.path)
    age(writing.path, START - 60)
    damaged = tmp_path / "blobs" / "quarantine"
    damaged.mkdir(exist_ok=True)
    for name, days in (("a", 31), ("b", 29)):
        (damaged / f"{name * 64}.damaged").write_bytes(b"?")
        age(damaged / f"{name * 64}.damaged", START - days * DAY)
    assert (await proving.garbage.collect("operator")).files == 2
    assert (temporary.path.exists(), writing.path.exists()) == (False, True)
    assert [path.name[0] for path in damaged.iterdir()] == ["b"]


async def test_a_short_grace_period_is_refused_and_two_do_not_collect_at_once(proving: Proving) -> None:
    with pytest.raises(PfnError) as refused:
        await proving.garbage.collect("operator", 3599)
    assert refused.value.code is Code.INVALID_FIELD
    lease = await proving.leases.claim(Work.COLLECT, "")
    assert lease is not None
    with pytest.raises(PfnError) as busy:
        await proving.garbage.collect("operator")
    assert busy.value.code is Code.WRONG_STATE
    await proving.leases.end(lease)
    await proving.garbage.collect("operator", 3600)


async def test_by_itself_it_goes_by_the_setting(proving: Proving) -> None:
    blob = await keep(proving, b"left by a crash")
    never = type(proving.garbage)(
        proving.database, proving.blobs, proving.leases, proving.schedule, proving.clock, grace_days=0
    )
    assert await never.collect_due("node") == Outcome(Result.UNCHANGED)
    assert stored(proving, blob) == [True]
    assert (await proving.garbage.collect_due("node")).result is Result.CHANGED
    assert stored(proving, blob) == [False]


def arrive(proving: Proving, release: Release, content: bytes | None) -> Arrival:
    """Give a release as the gate lets it through; without ``content`` its bytes were found stored."""
    temporary: Temporary | None = None
    if content is not None:
        temporary = proving.blobs.receive()
        temporary.file.write(content)
    listing = Listing(release.plugin_id, release.name, release.version, None)
    return Arrival(temporary, release, VERDICT, listing)


async def record(proving: Proving, *arrivals: Arrival) -> Sequence[str]:
    """Write arrivals down, and give the codes of what was refused."""
    service = ArrivalService(proving.database, proving.blobs, proving.clock)
    progress = SyncProgress(proving.database, proving.clock, ANN)
    refusals, _ = await service.record(make_source(), arrivals, NO_QUOTA, progress)
    return [refusal.error.code.slug for refusal in refusals]


async def no_row_without_bytes(proving: Proving) -> bool:
    async with proving.database.read() as connection:
        query = select(blobs.c.sha256).where(
            blobs.c.gone_at.is_(None), blobs.c.sha256.in_(select(mirrored_plugins.c.sha256))
        )
        digests = list((await connection.execute(query)).scalars())
    return all(proving.blobs.local(Blob(digest, "", "", 0)).exists() for digest in digests)


async def test_what_is_collected_after_it_was_kept_is_not_written_down(
    proving: Proving, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the worst place: the bytes are durable, their row is not yet; and the clock says they are old."""
    content = b"the very bytes"
    release = make_release("hello", content=content)

    async def keep_and_lose(arrived: Sequence[tuple[Temporary, Blob]]) -> None:
        await kept(arrived)
        age(proving.blobs.local(release.blob))
        assert (await proving.garbage.collect("operator")).blobs == 1

    kept = proving.blobs.keep
    monkeypatch.setattr(proving.blobs, "keep", keep_and_lose)
    assert await record(proving, arrive(proving, release, content)) == ["blob_missing"]
    assert await rows(proving) == {}
    monkeypatch.undo()
    assert await record(proving, arrive(proving, release, content)) == []
    assert await no_row_without_bytes(proving)


async def test_what_was_found_stored_and_is_collected_then_is_not_written_down(proving: Proving) -> None:
    purged = await mirror(proving, "hello")
    async with proving.database.write() as connection:
        await forget_source_releases(connection, ANN)
    found = arrive(proving, purged, None)
    assert (await proving.garbage.collect("operator")).blobs == 1
    assert await record(proving, found) == ["blob_missing"]
    assert await rows(proving) == {}


async def test_bytes_that_come_again_are_kept_though_they_were_gone(proving: Proving) -> None:
    release = await mirror(proving, "hello")
    await retire(proving, release, OLD)
    await proving.garbage.collect("operator")
    assert await record(proving, arrive(proving, replace(release, version="1.1"), f"{ANN} hello 1.0".encode())) == []
    assert await rows(proving) == {release.blob.sha256: None}
    assert await no_row_without_bytes(proving)


@pytest.mark.slow
async def test_collecting_beside_arrivals_never_leaves_a_row_without_bytes(proving: Proving) -> None:
    """Old garbage that arrives again while it is collected, over and over: each either stays whole or is refused."""
    contents = {f"plugin-{number}": bytes([number]) * 50 for number in range(20)}
    refused = 0

    async def collect() -> None:
        while not done.is_set():
            await proving.garbage.collect("operator")

    for _ in range(2):
        for content in contents.values():
            await keep(proving, content)
        done = asyncio.Event()
        collecting = asyncio.create_task(collect())
        for slug, content in contents.items():
            refused += len(await record(proving, arrive(proving, make_release(slug, content=content), content)))
            assert await no_row_without_bytes(proving)
        done.set()
        await collecting
        assert await no_row_without_bytes(proving)
        async with proving.database.write() as connection:
            await forget_source_releases(connection, ANN)
            await connection.execute(text("DELETE FROM log_leaves"))
            await connection.execute(text("DELETE FROM log_tiles"))
            await connection.execute(text("UPDATE blobs SET stored_at = 0"))
    assert refused < 2 * len(contents)


@pytest.mark.parametrize("stop", range(6))
async def test_a_crash_anywhere_while_collecting_leaves_garbage_and_nothing_torn(
    proving: Proving, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    needed = [await mirror(proving, f"needed-{number}") for number in range(3)]
    retired = [await mirror(proving, f"retired-{number}") for number in range(3)]
    for release in retired:
        await retire(proving, release, OLD)
    strange = [await keep(proving, bytes([number]) * 9) for number in range(3)]
    left = stop

    async def delete(sha256: str) -> None:
        nonlocal left
        if left == 0:
            raise Killed
        left -= 1
        await deleted(sha256)

    deleted = proving.blobs.delete
    monkeypatch.setattr(proving.blobs, "delete", delete)
    with pytest.raises(Killed):
        await proving.garbage.collect("operator")
    assert all(stored(proving, *(release.blob for release in needed)))
    monkeypatch.undo()
    await proving.garbage.collect("operator")
    assert all(stored(proving, *(release.blob for release in needed)))
    assert not any(stored(proving, *strange, *(release.blob for release in retired)))
    gone = {release.blob.sha256 for release in retired}
    assert {digest for digest, since in (await rows(proving)).items() if since is not None} == gone
