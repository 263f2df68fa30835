"""The whole store, looked over: longest unchecked first, no faster than allowed, on where it was, mended by digest."""

import asyncio
import hashlib
from pathlib import Path

import pytest
from sqlalchemy import select, update
from tests.services.conftest import Proving
from tests.services.test_recheck import Mirrored, mirrored

from pfn.domain.peer import Peer, PeerPolicy, PeerState
from pfn.domain.schedule import Result, Work
from pfn.domain.source import SourceStatus
from pfn.protocol.errors import Code, PfnError
from pfn.services import scrub
from pfn.storage import digest
from pfn.storage.peer import add_peer
from pfn.storage.schema import blobs
from pfn.testing.peer import FakePeer

__all__ = ["mirrored"]


class Killed(BaseException):
    """A kill, as far as one process can play it."""


async def look_over(proving: Proving, rate: int = 0) -> str | None:
    """Look over the store as a person asks for it, a minute later."""
    proving.clock.now += 60
    return (await proving.scrubs.run(await proving.scrubs.begin(), rate)).detail


async def checked(proving: Proving) -> dict[str, int | None]:
    async with proving.database.read() as connection:
        return {row[0]: row[1] for row in await connection.execute(select(blobs.c.sha256, blobs.c.checked_at))}


async def test_everything_is_looked_at_and_nobody_is_asked(mirrored: Mirrored) -> None:
    proving = mirrored.proving
    for number in range(5):
        await mirrored.mirror(version=f"1.{number}")
    before = await proving.scrubs.status()
    assert (before.blobs, before.never, before.oldest_check, before.unfinished) == (5, 5, None, False)
    assert await look_over(proving) == "Zips looked at: 5, mended: 0, damaged still: 0."
    now = int(proving.clock.now)
    assert set((await checked(proving)).values()) == {now}
    after = await proving.scrubs.status()
    assert (after.never, after.oldest_check, after.left, after.running) == (0, now, 0, False)
    assert after.outcome == "Zips looked at: 5, mended: 0, damaged still: 0."
    assert mirrored.publisher.requests == []


async def test_who_asks_twice_in_one_second_has_everything_looked_at_twice(mirrored: Mirrored) -> None:
    proving = mirrored.proving
    release = await mirrored.mirror()
    for _ in range(3):
        mirrored.damage(release)
        outcome = await proving.scrubs.run(await proving.scrubs.begin(), 0)
        assert outcome.detail == "Zips looked at: 1, mended: 1, damaged still: 0."


async def test_damaged_and_lost_bytes_are_fetched_again(mirrored: Mirrored) -> None:
    proving = mirrored.proving
    damaged, lost = await mirrored.mirror(), await mirrored.mirror("other")
    whole = proving.blobs.local(damaged.blob).read_bytes()
    mirrored.damage(damaged)
    proving.blobs.local(lost.blob).unlink()
    assert await look_over(proving) == "Zips looked at: 2, mended: 2, damaged still: 0."
    assert proving.blobs.local(damaged.blob).read_bytes() == whole
    assert proving.blobs.local(lost.blob).exists()
    assert await mirrored.actions() == ["bytes_corrupt", "bytes_restored"] * 2


async def test_what_nobody_has_is_said_once_and_fails_each_time(mirrored: Mirrored) -> None:
    proving = mirrored.proving
    release = await mirrored.mirror()
    mirrored.damage(release)
    await mirrored.publisher.__aexit__(None, None, None)
    for _ in range(2):
        assert await look_over(proving) == "Zips looked at: 1, mended: 0, damaged still: 1."
    due = await proving.schedule.find(Work.SCRUB)
    assert due is not None
    assert due.failures == 2
    assert (await proving.scrubs.status()).damaged == 1
    assert await mirrored.actions() == ["bytes_corrupt"]
    assert (await mirrored.stored(release)).blob.corrupt


@pytest.mark.parametrize("status", [SourceStatus.SUSPENDED, SourceStatus.REMOVED])
async def test_bytes_of_settled_sources_are_looked_at_and_their_publishers_left_alone(
    mirrored: Mirrored, status: SourceStatus
) -> None:
    mirrored.damage(await mirrored.mirror())
    await mirrored.proving.change(mirrored.source_id, status=status)
    assert await look_over(mirrored.proving) == "Zips looked at: 1, mended: 0, damaged still: 1."
    assert mirrored.publisher.requests == []


async def test_a_killed_look_goes_on_where_it_was(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    proving = mirrored.proving
    monkeypatch.setattr(scrub, "_BATCH", 2)
    releases = [await mirrored.mirror(version=f"1.{number}") for number in range(7)]
    hashed: list[str] = []

    def hash_file(path: Path, buffer: memoryview) -> str | None:
        if len(hashed) == 5:
            hashed.append("killed")
            raise Killed
        hashed.append(path.parent.name + path.name)
        return real(path, buffer)

    real = digest.hash_file
    monkeypatch.setattr(digest, "hash_file", hash_file)
    with pytest.raises(Killed):
        await look_over(proving)
    halfway = await proving.scrubs.status()
    assert (halfway.unfinished, halfway.left) == (True, 3)
    hashed.remove("killed")
    hashed.pop()
    hashed += [""] * 9
    assert await look_over(proving) == "Zips looked at: 3, mended: 0, damaged still: 0."
    # Each was read once, but for the batch that was under way.
    assert sorted(filter(None, hashed)) == sorted({release.blob.sha256 for release in releases})
    assert not (await proving.scrubs.status()).unfinished


async def test_those_longest_unchecked_come_first(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    proving = mirrored.proving
    monkeypatch.setattr(scrub, "_BATCH", 1)
    order = []
    for number, at in enumerate((300, None, 100, 200)):
        release = await mirrored.mirror(version=f"1.{number}")
        order.append((at or 0, release.blob.sha256))
        async with proving.database.write() as connection:
            which = blobs.c.sha256 == release.blob.sha256
            await connection.execute(update(blobs).where(which).values(checked_at=at))
    hashed: list[str] = []
    real = digest.hash_file
    monkeypatch.setattr(
        digest, "hash_file", lambda path, buffer: (hashed.append(path.parent.name + path.name), real(path, buffer))[1]
    )
    await look_over(proving)
    assert hashed == [digest for _, digest in sorted(order)]


async def test_by_itself_it_reads_only_what_nobody_looked_at_for_long(mirrored: Mirrored) -> None:
    proving = mirrored.proving
    await mirrored.mirror()
    proving.clock.now += 60
    await proving.rechecks.run(mirrored.source_id)
    await mirrored.mirror("other")
    outcome = await proving.scrubs.run_due()
    assert (outcome.result, outcome.detail) == (
        Result.UNCHANGED,
        "Zips looked at: 1, mended: 0, damaged still: 0.",
    )
    proving.clock.now += 2 * 86_400
    assert (await proving.scrubs.run_due()).detail == "Zips looked at: 2, mended: 0, damaged still: 0."


async def test_it_ends_though_the_clock_goes_back(mirrored: Mirrored) -> None:
    proving = mirrored.proving
    await mirrored.mirror()
    lease = await proving.scrubs.begin()
    proving.clock.now -= 3600
    async with asyncio.timeout(60):
        outcome = await proving.scrubs.run(lease, 0)
    assert outcome.detail == "Zips looked at: 1, mended: 0, damaged still: 0."


async def test_two_do_not_look_at_once(mirrored: Mirrored) -> None:
    lease = await mirrored.proving.scrubs.begin()
    with pytest.raises(PfnError) as refused:
        await mirrored.proving.scrubs.begin()
    assert refused.value.code is Code.WRONG_STATE
    assert (await mirrored.proving.scrubs.status()).running
    await mirrored.proving.leases.end(lease)


async def test_a_rate_is_kept(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await real(0)

    releases = [await mirrored.mirror(version=f"1.{number}") for number in range(3)]
    monkeypatch.setattr(scrub.asyncio, "sleep", sleep)
    await look_over(mirrored.proving, rate=100)
    size = sum(release.blob.size for release in releases)
    assert 0 < sum(one for one in slept if one != 20) <= size / 100


async def befriend(proving: Proving, fake: FakePeer) -> None:
    peer = Peer(0, fake.url, "peer", "peer", "key", "log", "witness", fake.url, PeerState.ACTIVE, PeerPolicy(), 1)
    async with proving.database.write() as connection:
        await add_peer(connection, peer)


@pytest.mark.parametrize("honest", [True, False])
async def test_what_its_publisher_has_no_more_is_asked_of_peers(mirrored: Mirrored, honest: bool) -> None:
    proving = mirrored.proving
    release = await mirrored.mirror()
    whole = proving.blobs.local(release.blob).read_bytes()
    damaged = mirrored.damage(release)
    await mirrored.publisher.__aexit__(None, None, None)
    async with FakePeer() as fake:
        fake.blobs[release.blob.sha256] = whole if honest else damaged
        await befriend(proving, fake)
        said = await look_over(proving)
    expected = (1, 0) if honest else (0, 1)
    assert said == f"Zips looked at: 1, mended: {expected[0]}, damaged still: {expected[1]}."
    assert (hashlib.sha256(proving.blobs.local(release.blob).read_bytes()).hexdigest() == release.blob.sha256) is honest
