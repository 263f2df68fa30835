"""Hash many stored zips in one go: for files in one thread, so that small ones cost their bytes and little more."""

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

from pfn.domain.release import Blob
from pfn.storage.blob_store import BlobStore

_CHUNK = 1024 * 1024


async def find_damaged(store: BlobStore, blobs: Sequence[Blob]) -> set[str]:
    """Give the digests of those blobs whose stored bytes are others, missing or cannot be read.

    Raises PfnError (``storage_unavailable``) where a bucket is away.
    """
    places = [(blob, store.local(blob)) for blob in blobs]
    files = [(blob, path) for blob, path in places if path is not None]
    damaged = await asyncio.to_thread(_hash_files, files)
    for blob, path in places:
        if path is None and not await store.matches(blob):
            damaged.add(blob.sha256)
    return damaged


def _hash_files(files: Sequence[tuple[Blob, Path]]) -> set[str]:
    buffer = memoryview(bytearray(_CHUNK))
    return {blob.sha256 for blob, path in files if _hash_file(path, buffer) != blob.sha256}


def _hash_file(path: Path, buffer: memoryview) -> str | None:
    digest = hashlib.sha256()
    try:
        with path.open("rb", buffering=0) as file:
            while length := file.readinto(buffer):
                digest.update(buffer[:length])
    except OSError:
        return None
    return digest.hexdigest()
