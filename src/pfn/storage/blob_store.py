"""The bytes: zips known by SHA-256, in files, durable before any row speaks of them.

A zip arrives in a temporary file beside its final place; ``keep`` flushes it, gives it its digest's name and flushes
the folder: what it returned from survives a power cut. A crash before leaves a temporary file, which the next start
sweeps; a crash after leaves a blob without a row, which is garbage and harmless. A stored blob is never opened for
writing again, and keeping equal bytes twice succeeds.
"""

import asyncio
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path

from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError

_CHUNK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Temporary:
    """A file that is not yet a blob; ``discard`` it when done, kept or not."""

    path: Path
    file: BufferedWriter

    def discard(self) -> None:
        """Close the file and, unless it was kept, delete it."""
        # Closing writes what is still buffered; on a full disk that fails, and does not matter any more.
        with suppress(OSError):
            self.file.close()
        self.path.unlink(missing_ok=True)


class FileBlobStore:
    """Blobs in a folder: ``sha256/ab/cdef…`` beside ``tmp/``."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tmp = root / "tmp"

        self._tmp.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> int:
        """Delete what a crash left half there, and tell how many files that were.

        For a starting node alone: a running one's temporary files are here too.
        """
        stale = list(self._tmp.iterdir())
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def free_bytes(self) -> int:
        """Tell how much room is left on the disk."""
        return shutil.disk_usage(self._root).free

    def receive(self) -> Temporary:
        """Open a temporary file to write to. Raises PfnError (``storage_full``) where the disk is full."""
        path = self._tmp / secrets.token_hex(16)
        with storage_errors():
            return Temporary(path, path.open("xb"))

    async def keep(self, arrived: Sequence[tuple[Temporary, Blob]]) -> None:
        """Make temporary files durable blobs, all with one flush of each folder."""
        await asyncio.to_thread(self._keep, arrived)

    def _keep(self, arrived: Sequence[tuple[Temporary, Blob]]) -> None:
        folders: set[Path] = set()
        with storage_errors():
            for temporary, blob in arrived:
                temporary.file.flush()
                os.fsync(temporary.file.fileno())
                target = self.path(blob)
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.path.rename(target)
                # All the way up: whoever made a folder that was there already may not have flushed it yet.
                folders |= {target.parent, target.parent.parent, self._root}
            for folder in folders:
                flush_folder(folder)

    async def quarantine(self, temporary: Temporary, sha256: str) -> None:
        """Keep refused bytes apart: where nothing is served from, under a name that no plugin can choose."""
        await asyncio.to_thread(self._quarantine, temporary, sha256)

    def _quarantine(self, temporary: Temporary, sha256: str) -> None:
        with storage_errors():
            temporary.file.flush()
            os.fsync(temporary.file.fileno())
            target = self.quarantined(sha256)
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary.path.rename(target)
            flush_folder(target.parent)

    async def matches(self, blob: Blob) -> bool:
        """Hash the stored bytes again; False where they are others, missing or cannot be read."""
        return await asyncio.to_thread(self._matches, blob)

    def _matches(self, blob: Blob) -> bool:
        digest = hashlib.sha256()
        try:
            with self.path(blob).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
        except OSError:
            return False
        return digest.hexdigest() == blob.sha256

    async def restore(self, temporary: Temporary, blob: Blob) -> None:
        """Put whole bytes in the place of damaged ones, which are set apart first for their operator to look at.

        Between the two there are none, as if the bytes were missing. Raises PfnError (``storage_full``).
        """
        await asyncio.to_thread(self._restore, temporary, blob)

    def _restore(self, temporary: Temporary, blob: Blob) -> None:
        damaged = self.quarantined(f"{blob.sha256}.damaged")
        with storage_errors():
            damaged.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                self.path(blob).rename(damaged)
                flush_folder(damaged.parent)
        self._keep([(temporary, blob)])

    def quarantined(self, sha256: str) -> Path:
        """Give the file of quarantined bytes."""
        return self._root / "quarantine" / sha256

    def path(self, blob: Blob) -> Path:
        """Give the file of a blob."""
        return self._root / blob.local_path

    def open(self, blob: Blob) -> Path:
        """Give the file of a blob that must be there.

        Raises PfnError (``blob_missing``, ``blob_corrupt``) where it is not, has another size, or is known as damaged.
        """
        damaged = PfnError(Code.BLOB_CORRUPT, "The stored bytes of this release are damaged; they are not served.")
        if blob.corrupt:
            raise damaged
        path = self.path(blob)
        try:
            size = path.stat().st_size
        except FileNotFoundError as error:
            raise PfnError(
                Code.BLOB_MISSING,
                "The node has lost the bytes of this release; its operator must restore them.",
            ) from error
        if size != blob.size:
            raise damaged
        return path


def flush_folder(folder: Path) -> None:
    """Make the names in a folder durable: a new or renamed file's own flush does not."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn a full disk into PfnError (``storage_full``)."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise PfnError(
                Code.STORAGE_FULL, "The node's disk is full; it goes on serving but mirrors nothing new."
            ) from error
        raise
