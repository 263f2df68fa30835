"""Hash stored zips: many files in one thread, so that small ones cost their bytes and little more."""

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


def hash_file(path: Path, buffer: memoryview | None = None) -> str:
    """Give a file's SHA-256; who hashes many brings one ``buffer`` for all. Raises OSError. It blocks."""
    if buffer is None:
        buffer = memoryview(bytearray(_CHUNK))
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while length := file.readinto(buffer):
            digest.update(buffer[:length])
    return digest.hexdigest()


def is_whole(blob: Blob, path: Path, buffer: memoryview | None = None) -> bool:
    """Tell whether a file has a blob's bytes; False where they are others, missing or cannot be read."""
    try:
        return hash_file(path, buffer) == blob.sha256
    except OSError:
        return False


def _hash_files(files: Sequence[tuple[Blob, Path]]) -> set[str]:
    buffer = memoryview(bytearray(_CHUNK))
    return {blob.sha256 for blob, path in files if not is_whole(blob, path, buffer)}
