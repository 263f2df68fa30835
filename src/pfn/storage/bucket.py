"""Blobs in an S3 bucket: ``sha256/ab/cdef…`` beside ``quarantine/``, durable by the service's own means.

A zip arrives in a temporary file on this machine and is hashed once more before it goes up, create-only, in one piece.
Bytes that are there already are read and compared, and replaced where they are others. What comes back over the network
is not believed either: who needs the bytes whole hashes them.
"""

import asyncio
import hashlib
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError
from pfn.storage.blob_store import StoredBlob, Temporary, damaged_blob, missing_blob, storage_errors
from pfn.storage.bucket_address import BucketAddress
from pfn.storage.bucket_client import BucketClient, StoredObject
from pfn.storage.bucket_probe import Abilities, probe_bucket
from pfn.storage.temporary_files import TemporaryFiles

log = structlog.get_logger()

_READ_AT_ONCE = 4 * 1024 * 1024
_CHUNK = 1024 * 1024
# An upload is in memory as a whole.
_LARGE = 8 * 1024 * 1024
_SMALL_AT_ONCE, _LARGE_AT_ONCE = 16, 2
_KEY = re.compile(r"sha256/([0-9a-f]{2})/([0-9a-f]{62})")
_QUARANTINED = re.compile(r"quarantine/([0-9a-f]{64})")
_DAMAGED = ".damaged"


async def open_bucket(tmp: Path, address: BucketAddress) -> "BucketBlobStore":
    """Open the store in a bucket and find out what it does; where it is away that is done when it is back.

    Raises PfnError (``config_invalid``).
    """
    store = BucketBlobStore(TemporaryFiles(tmp), BucketClient(address))
    try:
        await store.probe()
    except PfnError as error:
        if error.code is not Code.STORAGE_UNAVAILABLE:
            raise
        log.warning("bucket_away", bucket=str(address), error=error.internal)
    return store


class BucketBlobStore:
    """Blobs in a bucket, as ``BlobStore`` promises."""

    def __init__(self, temporary: TemporaryFiles, client: BucketClient) -> None:
        self._temporary = temporary
        self._client = client
        self._signer = client.make_signer()
        self._abilities: Abilities | None = None
        self._probing = asyncio.Lock()
        self._small, self._large = asyncio.Semaphore(_SMALL_AT_ONCE), asyncio.Semaphore(_LARGE_AT_ONCE)

    async def probe(self) -> Abilities:
        """Give what the bucket does, tried at the first call. Raises PfnError as ``probe_bucket`` does."""
        async with self._probing:
            if self._abilities is None:
                self._abilities = await probe_bucket(self._client)
                for sentence in self._abilities.shortcomings():
                    log.warning("bucket_lacks", bucket=str(self._client.address), what=sentence)
            return self._abilities

    def sweep(self) -> int:
        """Delete the temporary files that a crash left."""
        return self._temporary.sweep()

    def free_bytes(self) -> int:
        """Tell how much room is left on the disk that zips arrive on."""
        return self._temporary.free_bytes()

    def receive(self) -> Temporary:
        """Open a temporary file to write to."""
        return self._temporary.receive()

    async def keep(self, arrived: Sequence[tuple[Temporary, Blob]]) -> None:
        """Write temporary files into the bucket, several at a time."""
        try:
            async with asyncio.TaskGroup() as group:
                for temporary, blob in arrived:
                    group.create_task(self._keep(temporary, blob))
        except* PfnError as errors:
            first = errors.exceptions[0]
            raise first from first.__cause__

    async def _keep(self, temporary: Temporary, blob: Blob) -> None:
        await asyncio.to_thread(_finish, temporary, blob.sha256)
        if not await self._create(temporary.path, blob) and not await self.matches(blob):
            await self._replace(temporary.path, blob)

    async def _create(self, path: Path, blob: Blob) -> bool:
        """Write a blob that is not there; False where it is."""
        creates, key = (await self.probe()).creates, blob.local_path
        if not creates and await self._client.head(key) is not None:
            return False
        async with self._large if blob.size > _LARGE else self._small:
            return await self._client.put(key, path, create=creates)

    async def _replace(self, path: Path, blob: Blob) -> None:
        await self._client.copy(blob.local_path, f"quarantine/{blob.sha256}{_DAMAGED}")
        async with self._large if blob.size > _LARGE else self._small:
            await self._client.put(blob.local_path, path, create=False)

    async def quarantine(self, temporary: Temporary, sha256: str) -> None:
        """Keep refused bytes apart."""
        await asyncio.to_thread(_finish, temporary, sha256)
        await self._client.put(f"quarantine/{sha256}", temporary.path, create=False)

    @asynccontextmanager
    async def quarantined(self, sha256: str) -> AsyncIterator[Path]:
        """Give quarantined bytes as a temporary file."""
        temporary = await asyncio.to_thread(self.receive)
        try:
            try:
                async for piece in self._client.get(f"quarantine/{sha256}"):
                    await asyncio.to_thread(_write, temporary, piece)
            except FileNotFoundError as error:
                raise missing_blob() from error
            await asyncio.to_thread(temporary.file.flush)
            yield temporary.path
        finally:
            temporary.discard()

    async def drop_quarantined(self, sha256: str) -> None:
        """Delete quarantined bytes, if they are there."""
        await self._client.delete(f"quarantine/{sha256}")

    async def matches(self, blob: Blob) -> bool:
        """Read the stored bytes and hash them again; False where they are others or missing."""
        digest = hashlib.sha256()
        try:
            async for piece in self._client.get(blob.local_path):
                await asyncio.to_thread(digest.update, piece)
        except FileNotFoundError:
            return False
        return digest.hexdigest() == blob.sha256

    async def restore(self, temporary: Temporary, blob: Blob) -> None:
        """Put whole bytes in the place of damaged ones, which are set apart first."""
        await asyncio.to_thread(_finish, temporary, blob.sha256)
        await self._replace(temporary.path, blob)

    async def require(self, blob: Blob) -> None:
        """Raise PfnError (``blob_missing``, ``blob_corrupt``) unless the bytes are there."""
        if blob.corrupt:
            raise damaged_blob()
        found = await self._client.head(blob.local_path)
        if found is None:
            # To HEAD a missing bucket and a missing object answer alike.
            await self._client.ping()
            raise missing_blob()
        if found.size != blob.size:
            raise damaged_blob()

    async def read(self, blob: Blob, first: int, length: int) -> AsyncIterator[bytes]:
        """Give ``length`` bytes from the byte ``first`` on, a range at a time, however slowly they are taken."""
        if blob.corrupt:
            raise damaged_blob()
        ranges = (await self.probe()).ranges
        pieces = self._read_ranges(blob, first, length) if ranges else self._read_whole(blob, first, length)
        try:
            async for piece in pieces:
                yield piece
        except FileNotFoundError as error:
            raise missing_blob() from error

    async def _read_ranges(self, blob: Blob, first: int, length: int) -> AsyncIterator[bytes]:
        while length > 0:
            wanted = min(length, _READ_AT_ONCE)
            piece, size = await self._client.get_range(blob.local_path, first, wanted)
            if size != blob.size or len(piece) != wanted:
                raise damaged_blob()
            first, length = first + wanted, length - wanted
            yield piece

    async def _read_whole(self, blob: Blob, first: int, length: int) -> AsyncIterator[bytes]:
        at = 0
        async for piece in self._client.get(blob.local_path):
            part = piece[max(first - at, 0) : max(first + length - at, 0)]
            at += len(piece)
            if part:
                yield part
        if at != blob.size:
            raise damaged_blob()

    def local(self, blob: Blob) -> None:
        """No file of this machine."""

    async def sign(self, blob: Blob, seconds: int, filename: str) -> str | None:
        """Give a URL that holds for ``seconds``; None where the node has no keys of its own to sign with."""
        if self._signer is None:
            return None
        answer = {"response-content-disposition": f'attachment; filename="{filename}"'}
        return self._signer.sign(self._client.address.prefix + blob.local_path, time.time(), seconds, answer)

    async def list(self, after: str = "") -> AsyncIterator[StoredBlob]:
        """Give what is stored, in the order of its SHA-256."""
        if (await self.probe()).ordered:
            start = f"sha256/{after[:2]}/{after[2:]}" if after else None
            async for one in self._client.list("sha256", start):
                if stored := _name(one, _KEY):
                    yield stored
            return
        for folder in (f"{number:02x}" for number in range(256)):
            if folder >= after[:2]:
                found = [_name(one, _KEY) async for one in self._client.list(f"sha256/{folder}")]
                for stored in sorted((one for one in found if one is not None), key=lambda one: one.sha256):
                    if stored.sha256 > after:
                        yield stored

    async def delete(self, sha256: str) -> None:
        """Delete a blob, if it is there."""
        await self._client.delete(f"sha256/{sha256[:2]}/{sha256[2:]}")

    async def list_quarantined(self) -> AsyncIterator[StoredBlob]:
        """Give the refused bytes that are kept apart, in the order of their SHA-256."""
        found = [_name(one, _QUARANTINED) async for one in self._client.list("quarantine")]
        for stored in sorted((one for one in found if one is not None), key=lambda one: one.sha256):
            yield stored

    async def sweep_stale(self, before: float, *, damaged_before: float) -> int:
        """Delete temporary files left before a time, and damaged bytes set apart before another (Unix seconds)."""
        count = await asyncio.to_thread(self._temporary.sweep_stale, before)
        set_apart = [one async for one in self._client.list("quarantine") if one.key.endswith(_DAMAGED)]
        for one in set_apart:
            if one.modified_at < damaged_before:
                await self._client.delete(one.key)
                count += 1
        return count

    async def ping(self) -> None:
        """Raise PfnError (``storage_unavailable``) where the bucket does not answer."""
        await self._client.ping()

    def describe(self) -> str:
        """Tell where the bytes are."""
        return f"The zips are in the bucket {self._client.address}."

    def shortcomings(self) -> Sequence[str]:
        """Tell what the bucket, as far as it was tried, or its keys cannot do."""
        found = [] if self._abilities is None else list(self._abilities.shortcomings())
        if self._signer is None:
            found.append("Without s3_access_key and s3_secret_key no URLs are signed, so zips are sent by the node.")
        return found


def _finish(temporary: Temporary, sha256: str) -> None:
    """Write out a temporary file and compare it with its digest.

    Raises PfnError: ``storage_full``; ``blob_corrupt`` where the bytes changed on this disk.
    """
    with storage_errors():
        temporary.file.flush()
    with temporary.path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise PfnError(Code.BLOB_CORRUPT, "A zip changed on this node's disk before it was stored; it is not kept.")


def _write(temporary: Temporary, piece: bytes) -> None:
    with storage_errors():
        temporary.file.write(piece)


def _name(found: StoredObject, pattern: re.Pattern[str]) -> StoredBlob | None:
    match = pattern.fullmatch(found.key)
    return None if match is None else StoredBlob("".join(match.groups()), found.size, found.modified_at)
