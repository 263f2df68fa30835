"""What every blob store promises: files, a bucket that does all, and one that ignores conditions and ranges."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.bucket import Bucket
from tests.support.records import make_blob

from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError
from pfn.storage.blob_store import BlobStore, Temporary
from pfn.storage.open_blobs import open_blobs

CONTENT = b"PK\x03\x04 the bytes of a zip"


@pytest.fixture(params=["files", "rclone", pytest.param("seaweedfs", marks=pytest.mark.grown)])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    if request.param == "files":
        return await open_blobs(tmp_path, None)
    bucket: Bucket = request.getfixturevalue(request.param)
    return await open_blobs(tmp_path, bucket.under(f"{tmp_path.name}/in-it").address)


def arrive(store: BlobStore, content: bytes = CONTENT) -> tuple[Temporary, Blob]:
    temporary = store.receive()
    temporary.file.write(content)
    return temporary, make_blob(content)


async def keep(store: BlobStore, *contents: bytes) -> list[Blob]:
    arrived = [arrive(store, content) for content in contents]
    await store.keep(arrived)
    for temporary, _ in arrived:
        temporary.discard()
    return [blob for _, blob in arrived]


async def read(store: BlobStore, blob: Blob, first: int = 0, length: int | None = None) -> bytes:
    return b"".join([piece async for piece in store.read(blob, first, blob.size if length is None else length)])


async def refused(store: BlobStore, blob: Blob) -> Code:
    with pytest.raises(PfnError) as caught:
        await store.require(blob)
    with pytest.raises(PfnError) as again:
        await read(store, blob)
    assert again.value.code is caught.value.code
    return caught.value.code


async def put_other(store: BlobStore, blob: Blob, content: bytes) -> None:
    """Have other bytes lie in a blob's place, as a damaged disk would."""
    path = store.local(blob)
    if path is not None:
        path.write_bytes(content)
    else:
        await store._client.put(blob.local_path, content, create=False)  # type: ignore[attr-defined]


async def test_kept_bytes_come_back_whole_and_in_parts(store: BlobStore):
    [blob] = await keep(store, CONTENT)
    await store.require(blob)
    assert await read(store, blob) == CONTENT
    assert await store.matches(blob)
    for first, length in ((0, 1), (4, 5), (0, len(CONTENT)), (len(CONTENT) - 1, 1)):
        assert await read(store, blob, first, length) == CONTENT[first : first + length]


async def test_large_zips_come_back_in_pieces(store: BlobStore):
    content = os.urandom(9 * 1024 * 1024 + 7)
    [blob] = await keep(store, content)
    pieces = [piece async for piece in store.read(blob, 0, blob.size)]
    assert len(pieces) > 1
    assert hashlib.sha256(b"".join(pieces)).hexdigest() == blob.sha256
    first = 4 * 1024 * 1024 - 3
    assert await read(store, blob, first, 6) == content[first : first + 6]


async def test_what_was_not_kept_is_missing(store: BlobStore):
    temporary, blob = arrive(store)
    temporary.discard()
    temporary.discard()
    assert await refused(store, blob) is Code.BLOB_MISSING
    assert not await store.matches(blob)


async def test_equal_bytes_twice_are_one_blob(store: BlobStore):
    [first] = await keep(store, CONTENT)
    assert await keep(store, CONTENT, CONTENT) == [first, first]
    assert [one.sha256 async for one in store.list()] == [first.sha256]
    await store.keep([])


async def test_keeping_again_heals_what_was_damaged(store: BlobStore):
    [blob] = await keep(store, CONTENT)
    for other in (CONTENT[:-1], CONTENT.replace(b"zip", b"zap")):
        await put_other(store, blob, other)
        assert not await store.matches(blob)
        await keep(store, CONTENT)
        assert await read(store, blob) == CONTENT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x"])
async def test_bytes_of_another_length_are_not_served(store: BlobStore, content: bytes):
    [blob] = await keep(store, CONTENT)
    await put_other(store, blob, content)
    assert await refused(store, blob) is Code.BLOB_CORRUPT
    assert not await store.matches(blob)


async def test_bytes_known_as_damaged_are_not_served_whatever_they_look_like(store: BlobStore):
    [blob] = await keep(store, CONTENT)
    assert await refused(store, replace(blob, corrupt=True)) is Code.BLOB_CORRUPT


async def test_restoring_puts_whole_bytes_in_the_place_of_others_and_sets_those_apart(store: BlobStore):
    [blob] = await keep(store, CONTENT)
    for damaged in (CONTENT[:-1], b"damaged otherwise"):
        await put_other(store, blob, damaged)
        temporary, _ = arrive(store)
        await store.restore(temporary, blob)
        temporary.discard()
        assert await store.matches(blob)
        async with store.quarantined(f"{blob.sha256}.damaged") as path:
            assert path.read_bytes() == damaged


async def test_restoring_what_is_missing_needs_nothing_to_set_apart(store: BlobStore):
    temporary, blob = arrive(store)
    await store.restore(temporary, blob)
    temporary.discard()
    assert await store.matches(blob)


async def test_quarantined_bytes_are_apart_until_they_are_dropped(store: BlobStore):
    temporary, blob = arrive(store)
    await store.quarantine(temporary, blob.sha256)
    temporary.discard()
    assert await refused(store, blob) is Code.BLOB_MISSING
    assert [one.sha256 async for one in store.list()] == []
    assert [(one.sha256, one.size) async for one in store.list_quarantined()] == [(blob.sha256, blob.size)]
    async with store.quarantined(blob.sha256) as path:
        assert path.read_bytes() == CONTENT
    await store.drop_quarantined(blob.sha256)
    await store.drop_quarantined(blob.sha256)
    with pytest.raises(PfnError) as caught:
        async with store.quarantined(blob.sha256):
            pass
    assert caught.value.code is Code.BLOB_MISSING


async def test_what_is_stored_is_listed_in_order_from_anywhere_on(store: BlobStore):
    blobs = await keep(store, *(b"%d" % number for number in range(40)))
    digests = sorted(blob.sha256 for blob in blobs)
    sizes = {blob.sha256: blob.size for blob in blobs}
    found = [one async for one in store.list()]
    assert [one.sha256 for one in found] == digests
    assert {one.sha256: one.size for one in found} == sizes
    assert all(one.modified_at > 1_600_000_000 for one in found)
    for after in ("0" * 64, digests[0], digests[20], digests[20][:10], digests[-1], "f" * 64):
        assert [one.sha256 async for one in store.list(after)] == [one for one in digests if one > after]


async def test_deleting_takes_one_blob_and_is_done_twice_without_harm(store: BlobStore):
    gone, stays = await keep(store, CONTENT, b"another")
    await store.delete(gone.sha256)
    await store.delete(gone.sha256)
    assert await refused(store, gone) is Code.BLOB_MISSING
    assert [one.sha256 async for one in store.list()] == [stays.sha256]


async def test_abandoned_files_go_and_whatever_is_younger_stays(store: BlobStore):
    [blob] = await keep(store, CONTENT)
    await put_other(store, blob, b"damaged")
    temporary, _ = arrive(store)
    await store.restore(temporary, blob)
    temporary.discard()
    fresh, _ = arrive(store, b"still arriving")
    assert await store.sweep_stale(0, damaged_before=0) == 0
    assert await store.sweep_stale(2**40, damaged_before=0) == 1
    assert await store.sweep_stale(0, damaged_before=2**40) == 1
    assert await store.matches(blob)
    fresh.discard()
    assert store.sweep() == 0


async def test_a_start_sweeps_what_a_crash_left_and_only_that(store: BlobStore):
    [blob] = await keep(store, CONTENT)
    for number in range(3):
        arrive(store, b"%d" % number)[0].file.close()
    assert store.sweep() == 3
    assert store.sweep() == 0
    await store.require(blob)


async def test_a_store_that_is_there_answers_and_says_where_it_is(store: BlobStore):
    await store.ping()
    free = store.free_bytes()
    assert free is None or free > 0
    assert store.describe().startswith("The zips are ")
