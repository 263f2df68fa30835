"""Blobs in files: in their digest's place and whole, or not there; a full disk is one error that leaves no litter."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.records import make_blob

from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError
from pfn.storage.blob_store import Temporary, storage_errors
from pfn.storage.file_blobs import FileBlobStore

CONTENT = b"PK\x03\x04 the bytes of a zip"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "blobs"


@pytest.fixture
def store(root: Path) -> FileBlobStore:
    return FileBlobStore(root)


def arrive(store: FileBlobStore, content: bytes = CONTENT) -> tuple[Temporary, Blob]:
    temporary = store.receive()
    temporary.file.write(content)
    return temporary, make_blob(content)


async def keep(store: FileBlobStore, *contents: bytes) -> list[Blob]:
    arrived = [arrive(store, content) for content in contents]
    await store.keep(arrived)
    for temporary, _ in arrived:
        temporary.discard()
    return [blob for _, blob in arrived]


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


async def test_kept_bytes_lie_where_their_digest_says(store: FileBlobStore, root: Path):
    [blob] = await keep(store, CONTENT)
    place = f"sha256/{blob.sha256[:2]}/{blob.sha256[2:]}"
    assert blob.local_path == place
    assert files(root) == {place: CONTENT}
    await store.require(blob)
    assert store.local(blob) == root / place


async def test_what_is_not_kept_is_gone(store: FileBlobStore, root: Path):
    temporary, blob = arrive(store)
    temporary.file.flush()
    assert list(files(root).values()) == [CONTENT]
    temporary.discard()
    temporary.discard()
    assert files(root) == {}
    with pytest.raises(PfnError) as caught:
        await store.require(blob)
    assert caught.value.code is Code.BLOB_MISSING


async def test_nothing_half_is_ever_in_a_blobs_place(store: FileBlobStore):
    temporary, blob = arrive(store, CONTENT * 100_000)
    temporary.file.flush()
    assert not store.local(blob).exists()
    temporary.discard()


async def test_a_batch_is_kept_as_a_whole(store: FileBlobStore, root: Path):
    contents = [b"%d" % number for number in range(40)]
    blobs = await keep(store, *contents)
    assert files(root) == {blob.local_path: content for blob, content in zip(blobs, contents, strict=True)}
    await store.keep([])


async def test_the_same_bytes_twice_are_one_file(store: FileBlobStore, root: Path):
    [first] = await keep(store, CONTENT)
    with store.local(first).open("rb") as reader:
        assert await keep(store, CONTENT, CONTENT) == [first, first]
        # Who was reading goes on reading.
        assert reader.read() == CONTENT
    assert files(root) == {first.local_path: CONTENT}


async def test_keeping_again_heals_what_was_damaged(store: FileBlobStore):
    [blob] = await keep(store, CONTENT)
    store.local(blob).write_bytes(CONTENT[:-1])
    await keep(store, CONTENT)
    await store.require(blob)
    assert store.local(blob).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x"])
async def test_bytes_of_another_length_are_not_served(store: FileBlobStore, content: bytes):
    [blob] = await keep(store, CONTENT)
    store.local(blob).write_bytes(content)
    with pytest.raises(PfnError) as caught:
        await store.require(blob)
    assert caught.value.code is Code.BLOB_CORRUPT


async def test_a_start_sweeps_what_a_crash_left_and_only_that(store: FileBlobStore, root: Path):
    [blob] = await keep(store, CONTENT)
    left = [arrive(store, b"%d" % number)[0] for number in range(3)]
    for temporary in left:
        temporary.file.close()
    restarted = FileBlobStore(root)
    assert restarted.sweep() == 3
    assert restarted.sweep() == 0
    assert files(root) == {blob.local_path: CONTENT}
    await restarted.require(blob)


async def test_everything_is_flushed_before_keep_returns(
    store: FileBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
):
    """The file before it gets its name, then every folder that got a new entry, up to the root."""
    await keep(store, b"another blob, so that some folders are there already")
    steps: list[tuple[str, Path]] = []
    real_fsync, real_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        steps.append(("flush", Path(f"/proc/self/fd/{descriptor}").readlink()))
        real_fsync(descriptor)

    def rename(self: Path, target: Path) -> Path:
        steps.append(("rename", self))
        return real_rename(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    arrived = [arrive(store, content) for content in (b"one", b"two")]
    await store.keep(arrived)
    for temporary, blob in arrived:
        renamed = steps.index(("rename", temporary.path))
        assert steps.index(("flush", temporary.path)) < renamed
        folder = store.local(blob).parent
        after = steps[renamed:]
        assert ("flush", folder) in after
        assert ("flush", folder.parent) in after
        temporary.discard()


async def test_a_folder_another_keep_just_made_is_flushed_too(
    store: FileBlobStore, root: Path, monkeypatch: pytest.MonkeyPatch
):
    """It may have been made a moment ago by somebody whose flush is still to come, or failed."""
    temporary, blob = arrive(store)
    store.local(blob).parent.mkdir(parents=True)
    flushed: list[Path] = []
    real_fsync = os.fsync

    def fsync(descriptor: int) -> None:
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real_fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    await store.keep([(temporary, blob)])
    temporary.discard()
    assert {store.local(blob).parent, root / "sha256"} <= set(flushed)


@pytest.fixture
def on_full_disk(root: Path, store: FileBlobStore) -> Temporary:
    """A temporary file with bytes in its buffer that the kernel has no room for."""
    path = root / "tmp" / "full"
    path.symlink_to("/dev/full")
    temporary = Temporary(path, path.open("wb"))
    temporary.file.write(CONTENT)
    return temporary


async def test_a_full_disk_is_said_to_be_full(store: FileBlobStore, on_full_disk: Temporary):
    first = arrive(store, b"this one has room")
    with pytest.raises(PfnError) as caught:
        await store.keep([first, (on_full_disk, make_blob(CONTENT))])
    assert caught.value.code is Code.STORAGE_FULL
    assert not store.local(make_blob(CONTENT)).exists()
    first[0].discard()
    on_full_disk.discard()


def test_what_found_no_room_can_be_discarded(root: Path, on_full_disk: Temporary):
    on_full_disk.discard()
    assert on_full_disk.file.closed
    assert files(root) == {}
    assert not on_full_disk.path.is_symlink()


def test_writing_to_a_full_disk_is_the_same_error(on_full_disk: Temporary):
    with pytest.raises(PfnError) as caught, storage_errors():
        on_full_disk.file.write(bytes(1_000_000))
    assert caught.value.code is Code.STORAGE_FULL
    on_full_disk.discard()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_has_two_numbers(number):
    with pytest.raises(PfnError) as caught, storage_errors():
        raise OSError(number, os.strerror(number))
    assert caught.value.code is Code.STORAGE_FULL


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES, errno.EROFS])
def test_other_troubles_of_a_disk_are_not_called_full(number):
    with pytest.raises(OSError, match=os.strerror(number)), storage_errors():
        raise OSError(number, os.strerror(number))


async def test_bytes_known_as_damaged_are_not_served_whatever_they_look_like(store: FileBlobStore):
    [blob] = await keep(store, CONTENT)
    with pytest.raises(PfnError) as caught:
        await store.require(replace(blob, corrupt=True))
    assert caught.value.code is Code.BLOB_CORRUPT


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT + b"x", CONTENT.replace(b"zip", b"zap")])
async def test_hashing_again_finds_every_other_content(store: FileBlobStore, content: bytes):
    [blob] = await keep(store, CONTENT)
    assert await store.matches(blob)
    store.local(blob).write_bytes(content)
    assert not await store.matches(blob)


async def test_what_is_missing_or_cannot_be_read_matches_nothing(store: FileBlobStore):
    [blob] = await keep(store, CONTENT)
    store.local(blob).unlink()
    assert not await store.matches(blob)
    store.local(blob).mkdir()
    assert not await store.matches(blob)


async def restore(store: FileBlobStore) -> None:
    temporary, blob = arrive(store)
    await store.restore(temporary, blob)
    temporary.discard()


async def test_restoring_sets_the_damaged_bytes_apart(store: FileBlobStore, root: Path):
    [blob] = await keep(store, CONTENT)
    for damaged in (CONTENT[:-1], b"damaged otherwise"):
        store.local(blob).write_bytes(damaged)
        await restore(store)
        assert files(root) == {blob.local_path: CONTENT, f"quarantine/{blob.sha256}.damaged": damaged}


async def test_restoring_what_is_missing_leaves_nothing_apart(store: FileBlobStore, root: Path):
    [blob] = await keep(store, CONTENT)
    store.local(blob).unlink()
    store.local(blob).parent.rmdir()
    await restore(store)
    assert files(root) == {blob.local_path: CONTENT}
