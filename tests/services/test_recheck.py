"""Stored bytes and kept proofs, looked at again: damage is found, not served, mended, and blamed on nobody else."""

import base64
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select
from tests.services.conftest import RECHECK_BYTES, Proving
from tests.support.records import VERDICT, make_blob, make_release

from pfn.domain.release import KeptSignature, Release, SignatureLevel
from pfn.domain.schedule import Outcome, Result
from pfn.domain.source import SourceStatus
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.js_json import metadata_message
from pfn.storage.release import add_release, get_release, mark_releases, point_newest
from pfn.storage.schema import rechecks
from pfn.testing.publisher import FakePublisher


@dataclass
class Mirrored:
    """A verified source with mirrored releases, as a sync would have left them."""

    proving: Proving
    publisher: FakePublisher
    source_id: str

    async def mirror(self, slug: str = "hello", version: str = "1.0", *, signed: bool = True) -> Release:
        content = self.publisher.add_plugin(slug, version)
        temporary, blob = self.proving.blobs.receive(), make_blob(content)
        temporary.file.write(content)
        await self.proving.blobs.keep([(temporary, blob)])
        temporary.discard()
        message = metadata_message(slug, slug.title(), version, None)
        kept = KeptSignature(
            base64.b64encode(self.publisher.key.sign(message)).decode(), message, self.publisher.public_key_pem
        )
        release = make_release(
            slug,
            version,
            self.source_id,
            content=content,
            level=SignatureLevel.METADATA if signed else SignatureLevel.NONE,
            signature=kept if signed else None,
        )
        async with self.proving.database.write() as connection:
            await add_release(connection, release, VERDICT)
            await point_newest(connection, release)
        return release

    def damage(self, release: Release) -> bytes:
        """Change a byte in the middle: the length stays."""
        path = self.proving.blobs.local(release.blob)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        return bytes(content)

    async def run(self) -> Outcome:
        """Recheck, a day later."""
        self.proving.clock.now += 86_400
        return await self.proving.rechecks.run(self.source_id)

    async def stored(self, release: Release) -> Release:
        async with self.proving.database.read() as connection:
            found = await get_release(connection, self.source_id, release.plugin_id, release.version)
        assert found is not None
        return found

    async def actions(self) -> list[str]:
        return await self.proving.actions(self.source_id)

    async def counted(self) -> list[tuple[int, int]]:
        async with self.proving.database.read() as connection:
            rows = await connection.execute(select(rechecks.c.checked, rechecks.c.failed).order_by(rechecks.c.day))
            return [(row[0], row[1]) for row in rows]


@pytest.fixture
async def mirrored(proving: Proving, publisher: FakePublisher) -> Mirrored:
    source_id = await proving.register(
        publisher,
        status=SourceStatus.VERIFIED,
        verified_since=1,
        asset_domain=publisher.url,
        asset_naming_scheme=publisher.naming_scheme,
    )
    return Mirrored(proving, publisher, source_id)


async def test_whole_bytes_and_proofs_are_good_evidence_once_a_day(mirrored: Mirrored) -> None:
    for version in ("1.0", "1.1"):
        await mirrored.mirror(version=version)
    await mirrored.mirror("unsigned", signed=False)
    outcome = await mirrored.run()
    assert (outcome.result, outcome.detail) == (Result.UNCHANGED, "3 blobs are whole")
    # What carries no signature says nothing of signatures.
    assert await mirrored.counted() == [(2, 0)]
    assert await mirrored.actions() == []
    assert mirrored.publisher.requests == []
    assert (await mirrored.proving.rechecks.run(mirrored.source_id)).detail == "0 blobs are whole"


async def test_damaged_bytes_are_fetched_again(mirrored: Mirrored) -> None:
    release, other = await mirrored.mirror(), await mirrored.mirror("other")
    whole = mirrored.proving.blobs.local(release.blob).read_bytes()
    damaged = mirrored.damage(release)
    outcome = await mirrored.run()
    assert (outcome.result, outcome.detail) == (Result.UNCHANGED, "2 blobs are whole")
    mended = (await mirrored.stored(release)).blob
    await mirrored.proving.blobs.require(mended)
    assert mirrored.proving.blobs.local(mended).read_bytes() == whole
    async with mirrored.proving.blobs.quarantined(f"{release.blob.sha256}.damaged") as path:
        assert path.read_bytes() == damaged
    assert await mirrored.actions() == ["bytes_corrupt", "bytes_restored"]
    corrupt, _ = await mirrored.proving.events(mirrored.source_id)
    assert corrupt.plugin_id == "hello"
    assert corrupt.details["code"] == Code.BLOB_CORRUPT.slug
    assert "by a fault of this node" in str(corrupt.details["sentence"])
    assert (await mirrored.stored(other)).blob == other.blob
    assert await mirrored.counted() == [(2, 0)]


async def test_missing_bytes_are_the_same_case(mirrored: Mirrored) -> None:
    release = await mirrored.mirror()
    mirrored.proving.blobs.local(release.blob).unlink()
    assert (await mirrored.run()).result is Result.UNCHANGED
    assert await mirrored.proving.blobs.matches(release.blob)
    assert await mirrored.actions() == ["bytes_corrupt", "bytes_restored"]


async def test_what_cannot_be_mended_is_not_served_and_blamed_on_nobody(mirrored: Mirrored) -> None:
    release = await mirrored.mirror()
    mirrored.damage(release)
    mirrored.publisher.replace_zip("hello", "1.0", b"other bytes of any length" * 100)
    before = (await mirrored.proving.source(mirrored.source_id)).trust_score
    for _ in range(3):
        outcome = await mirrored.run()
        assert (outcome.result, outcome.detail) == (Result.FAILED, "1 of 1 blobs are damaged")
    with pytest.raises(PfnError) as caught:
        await mirrored.proving.blobs.require((await mirrored.stored(release)).blob)
    assert caught.value.code is Code.BLOB_CORRUPT
    # The feed hears of it once, and trust not at all.
    assert await mirrored.actions() == ["bytes_corrupt"]
    assert await mirrored.counted() == []
    assert (await mirrored.proving.source(mirrored.source_id)).trust_score == before


@pytest.mark.parametrize("other", [b"", b"x", None])
async def test_nothing_but_the_very_bytes_takes_their_place(mirrored: Mirrored, other: bytes | None) -> None:
    release = await mirrored.mirror()
    damaged = mirrored.damage(release)
    if other is None:
        mirrored.publisher.remove_zip("hello", "1.0")
    else:
        mirrored.publisher.replace_zip("hello", "1.0", other)
    assert (await mirrored.run()).result is Result.FAILED
    assert mirrored.proving.blobs.local(release.blob).read_bytes() == damaged
    assert list((mirrored.proving.blobs.local(release.blob).parents[2] / "tmp").iterdir()) == []


async def test_what_somebody_else_mended_is_served_again(mirrored: Mirrored) -> None:
    release = await mirrored.mirror()
    whole = mirrored.proving.blobs.local(release.blob).read_bytes()
    mirrored.damage(release)
    mirrored.publisher.remove_zip("hello", "1.0")
    await mirrored.run()
    mirrored.proving.blobs.local(release.blob).write_bytes(whole)
    assert (await mirrored.run()).result is Result.UNCHANGED
    assert not (await mirrored.stored(release)).blob.corrupt
    assert await mirrored.actions() == ["bytes_corrupt", "bytes_restored"]


@pytest.mark.parametrize("changes", [{"signature": "AAAA"}, {"signed_message": b"{}"}, {"signing_key": "no key"}])
async def test_a_proof_that_does_not_hold_any_more_is_served_to_nobody(
    mirrored: Mirrored, changes: dict[str, object]
) -> None:
    old, release = await mirrored.mirror(version="0.9"), await mirrored.mirror()
    async with mirrored.proving.database.write() as connection:
        await mark_releases(connection, mirrored.source_id, "hello", "1.0", **changes)
    for _ in range(2):
        assert (await mirrored.run()).result is Result.UNCHANGED
    assert (await mirrored.stored(release)).block_reason is not None
    assert (await mirrored.stored(old)).block_reason is None
    assert await mirrored.actions() == ["proof_broken"]
    async with mirrored.proving.database.read() as connection:
        newest = await get_release(connection, mirrored.source_id, "hello")
    assert newest is not None
    assert newest.version == "0.9"
    # Once it is blocked its proof is asked no more.
    assert await mirrored.counted() == [(2, 1), (1, 0)]


async def test_no_more_is_read_than_allowed_and_the_rest_comes_next(mirrored: Mirrored) -> None:
    releases = [await mirrored.mirror(version=f"1.{number}") for number in range(4)]
    proving = mirrored.proving
    small = type(proving.rechecks)(
        proving.database,
        proving.blobs,
        proving.rechecks._repair,
        proving.rechecks._statements,
        proving.clock,
        max_bytes=max(release.blob.size for release in releases) + 1,
    )
    seen = []
    for _ in range(3):
        proving.clock.now += 86_400
        seen.append((await small.run(mirrored.source_id)).detail)
    assert seen == ["2 blobs are whole"] * 3
    assert sum(release.blob.size for release in releases) < RECHECK_BYTES
    assert (await mirrored.run()).detail == "4 blobs are whole"


async def test_more_blobs_than_a_batch_are_all_looked_at(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pfn.services.recheck._BATCH", 2)
    releases = [await mirrored.mirror(version=f"1.{number}") for number in range(5)]
    mirrored.damage(releases[4])
    assert (await mirrored.run()).detail == "5 blobs are whole"
    assert await mirrored.counted() == [(5, 0)]


async def test_one_blob_of_two_plugins_is_told_of_both(mirrored: Mirrored) -> None:
    release = await mirrored.mirror()
    twin = replace(release, plugin_id="twin")
    async with mirrored.proving.database.write() as connection:
        await add_release(connection, twin, VERDICT)
    mirrored.damage(release)
    await mirrored.run()
    told = [(event.plugin_id, event.details["action"]) for event in await mirrored.proving.events(mirrored.source_id)]
    assert sorted(told) == [
        ("hello", "bytes_corrupt"),
        ("hello", "bytes_restored"),
        ("twin", "bytes_corrupt"),
        ("twin", "bytes_restored"),
    ]


async def test_who_is_suspended_or_gone_is_left_alone(mirrored: Mirrored) -> None:
    await mirrored.mirror()
    await mirrored.proving.change(mirrored.source_id, status="suspended")
    assert (await mirrored.run()).detail == "0 blobs are whole"
    assert (await mirrored.proving.rechecks.run("nobody@nowhere.example")).result is Result.UNCHANGED
