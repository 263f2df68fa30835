"""All bytes that the rows speak of from one blob store into another, by digest: files or a bucket, either way.

What the target has already, in its size, is not copied again: who was interrupted goes on. Every byte that is copied is
hashed on its way; what the source has lost, or has damaged, is told and never passed on. Between two folders on one
disk a file gets a second name, and takes no room: a blob is never written to again.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError
from pfn.storage.blob_store import BlobStore, Temporary, storage_errors
from pfn.storage.database import Database
from pfn.storage.digest import hash_file
from pfn.storage.named_blob import count_named_blobs, list_named_blobs, list_named_quarantine

# What goes on, and how much of it is done, of how much.
Report = Callable[[str, int, int], None]

# So many are on their way at a time, and become durable together.
_AT_ONCE = 16
_CHUNK = 1024 * 1024
_LOST = {Code.BLOB_MISSING, Code.BLOB_CORRUPT}


@dataclass(frozen=True, slots=True)
class CopiedBlobs:
    """How many the rows name, in how many bytes; how many were new to the target; what the source has lost."""

    count: int
    size: int
    copied: int
    lost: tuple[str, ...]


async def copy_blobs(database: Database, source: BlobStore, target: BlobStore, report: Report) -> CopiedBlobs:
    """Copy what the rows name; those of quarantine too. Raises PfnError: ``storage_full``, ``storage_unavailable``."""
    stored = {one.sha256: one.size async for one in target.list()}
    async with database.read() as connection:
        total = await count_named_blobs(connection)
    count = size = copied = 0
    lost: list[str] = []
    report("zips", 0, total)
    async for batch in _batches(database):
        new = [blob for blob in batch if stored.get(blob.sha256) != blob.size]
        arrived = await _take(source, target, new)
        lost += [blob.sha256 for blob in new if blob not in arrived]
        count, size, copied = count + len(batch), size + sum(one.size for one in batch), copied + len(arrived)
        report("zips", count, total)
    await _copy_quarantine(database, source, target)
    return CopiedBlobs(count, size, copied, tuple(lost))


async def _batches(database: Database) -> AsyncIterator[Sequence[Blob]]:
    batch: list[Blob] = []
    async with database.read() as connection:
        async for blob in list_named_blobs(connection):
            batch.append(blob)
            if len(batch) == _AT_ONCE:
                yield batch
                batch = []
    if batch:
        yield batch


async def _take(source: BlobStore, target: BlobStore, blobs: Sequence[Blob]) -> set[Blob]:
    """Copy a few blobs, durable when this returns; give those that were whole."""
    temporaries = [target.receive() for _ in blobs]
    try:
        whole = await asyncio.gather(
            *(_receive(source, target, blob, temporary) for blob, temporary in zip(blobs, temporaries, strict=True))
        )
        arrived = [(temporary, blob) for temporary, blob, good in zip(temporaries, blobs, whole, strict=True) if good]
        await target.keep(arrived)
        return {blob for _, blob in arrived}
    finally:
        for temporary in temporaries:
            temporary.discard()


async def _receive(source: BlobStore, target: BlobStore, blob: Blob, temporary: Temporary) -> bool:
    file = source.local(blob)
    if file is not None and target.local(blob) is not None and await asyncio.to_thread(_link, file, temporary):
        return await asyncio.to_thread(hash_file, temporary.path) == blob.sha256
    digest = hashlib.sha256()
    try:
        async for piece in source.read(blob, 0, blob.size):
            await asyncio.to_thread(_write, temporary, digest, piece)
    except PfnError as error:
        if error.code in _LOST:
            return False
        raise
    return digest.hexdigest() == blob.sha256


def _link(file: Path, temporary: Temporary) -> bool:
    """Give a file a second name, in place of a temporary file; False where the disk, or its owner, does not let us."""
    name = temporary.path.with_suffix(".link")
    try:
        os.link(file, name)
    except OSError:
        return False
    name.replace(temporary.path)
    return True


def _write(temporary: Temporary, digest: "hashlib._Hash", piece: bytes) -> None:
    digest.update(piece)
    with storage_errors():
        temporary.file.write(piece)


async def _copy_quarantine(database: Database, source: BlobStore, target: BlobStore) -> None:
    """Copy what was refused and kept for its operator to look at; what is missing there was looked at."""
    async with database.read() as connection:
        named = await list_named_quarantine(connection)
    for sha256 in named:
        with suppress(PfnError):
            async with target.quarantined(sha256):
                continue
        try:
            async with source.quarantined(sha256) as path:
                temporary = target.receive()
                try:
                    await asyncio.to_thread(_copy_file, path, temporary)
                    await target.quarantine(temporary, sha256)
                finally:
                    temporary.discard()
        except PfnError as error:
            if error.code not in _LOST:
                raise


def _copy_file(path: Path, temporary: Temporary) -> None:
    with path.open("rb") as file, storage_errors():
        while piece := file.read(_CHUNK):
            temporary.file.write(piece)
