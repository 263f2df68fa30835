"""Blobs in files: ``sha256/ab/cdef…`` beside ``tmp/`` and ``quarantine/``, durable by the disk's own means.

A zip arrives in a temporary file on the disk of its final place; ``keep`` flushes it, gives it its digest's name and
flushes the folder: what it returned from survives a power cut.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from io import FileIO
from pathlib import Path

from pfn.domain.release import Blob
from pfn.storage.blob_store import (
    StoredBlob,
    Temporary,
    damaged_blob,
    flush_folder,
    missing_blob,
    storage_errors,
)
from pfn.storage.digest import is_whole
from pfn.storage.temporary_files import TemporaryFiles, delete_older

_CHUNK = 1024 * 1024
_FLUSHES = 8
_FOLDER = re.compile(r"[0-9a-f]{2}")
_REST = re.compile(r"[0-9a-f]{62}")
_WHOLE = re.compile(r"[0-9a-f]{64}")


class FileBlobStore:
    """Blobs in a folder, as ``BlobStore`` promises."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._quarantine_folder = root / "quarantine"
        self._temporary = TemporaryFiles(root / "tmp")

    def sweep(self) -> int:
        """Delete what a crash left half there."""
        return self._temporary.sweep()

    def free_bytes(self) -> int:
        """Tell how much room is left on the disk."""
        return self._temporary.free_bytes()

    def receive(self) -> Temporary:
        """Open a temporary file to write to."""
        return self._temporary.receive()

    async def keep(self, arrived: Sequence[tuple[Temporary, Blob]]) -> None:
        """Make temporary files durable blobs, all with one flush of each folder."""
        await asyncio.to_thread(self._keep, arrived)

    def _keep(self, arrived: Sequence[tuple[Temporary, Blob]]) -> None:
        folders: set[Path] = set()
        with storage_errors():
            # A disk that is asked for many things at once does them together.
            with ThreadPoolExecutor(_FLUSHES) as flushing:
                list(flushing.map(_flush_file, [temporary for temporary, _ in arrived]))
            for temporary, blob in arrived:
                target = self.local(blob)
                target.parent.mkdir(parents=True, exist_ok=True)
                temporary.path.rename(target)
                # All the way up: whoever made a folder that was there already may not have flushed it yet.
                folders |= {target.parent, target.parent.parent, self._root}
            with ThreadPoolExecutor(_FLUSHES) as flushing:
                list(flushing.map(flush_folder, folders))

    async def quarantine(self, temporary: Temporary, sha256: str) -> None:
        """Keep refused bytes apart."""
        await asyncio.to_thread(self._quarantine, temporary, sha256)

    def _quarantine(self, temporary: Temporary, sha256: str) -> None:
        with storage_errors():
            temporary.file.flush()
            os.fsync(temporary.file.fileno())
            self._quarantine_folder.mkdir(parents=True, exist_ok=True)
            temporary.path.rename(self._quarantine_folder / sha256)
            flush_folder(self._quarantine_folder)

    @asynccontextmanager
    async def quarantined(self, sha256: str) -> AsyncIterator[Path]:
        """Give the file of quarantined bytes."""
        path = self._quarantine_folder / sha256
        if not await asyncio.to_thread(path.is_file):
            raise missing_blob()
        yield path

    async def drop_quarantined(self, sha256: str) -> None:
        """Delete quarantined bytes, if they are there."""
        await asyncio.to_thread((self._quarantine_folder / sha256).unlink, missing_ok=True)

    async def matches(self, blob: Blob) -> bool:
        """Hash the stored bytes again; False where they are others, missing or cannot be read."""
        return await asyncio.to_thread(is_whole, blob, self.local(blob))

    async def restore(self, temporary: Temporary, blob: Blob) -> None:
        """Put whole bytes in the place of damaged ones, which are set apart first."""
        await asyncio.to_thread(self._restore, temporary, blob)

    def _restore(self, temporary: Temporary, blob: Blob) -> None:
        with storage_errors():
            self._quarantine_folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                self.local(blob).rename(self._quarantine_folder / f"{blob.sha256}.damaged")
                flush_folder(self._quarantine_folder)
        self._keep([(temporary, blob)])

    async def require(self, blob: Blob) -> None:
        """Raise PfnError (``blob_missing``, ``blob_corrupt``) unless the bytes are there."""
        await asyncio.to_thread(_require, self.local(blob), blob)

    async def read(self, blob: Blob, first: int, length: int) -> AsyncIterator[bytes]:
        """Give ``length`` bytes from the byte ``first`` on, in pieces."""
        file = await asyncio.to_thread(open_blob, self.local(blob), blob)
        try:
            await asyncio.to_thread(file.seek, first)
            while length > 0:
                piece = await asyncio.to_thread(file.read, min(length, _CHUNK))
                if not piece:
                    raise damaged_blob()
                length -= len(piece)
                yield piece
        finally:
            file.close()

    def local(self, blob: Blob) -> Path:
        """Give where a blob's file is or should be."""
        return self._root / blob.local_path

    async def sign(self, blob: Blob, seconds: int, filename: str) -> None:
        """Files have no URLs of their own."""

    async def list(self, after: str = "") -> AsyncIterator[StoredBlob]:
        """Give what is stored, in the order of its SHA-256; a folder at a time, so it never holds many."""
        for name in await asyncio.to_thread(_names, self._root / "sha256", _FOLDER):
            if name >= after[:2]:
                for stored in await asyncio.to_thread(_look_into, self._root / "sha256" / name, name, _REST):
                    if stored.sha256 > after:
                        yield stored

    async def delete(self, sha256: str) -> None:
        """Delete a blob, if it is there."""
        await asyncio.to_thread((self._root / "sha256" / sha256[:2] / sha256[2:]).unlink, missing_ok=True)

    async def list_quarantined(self) -> AsyncIterator[StoredBlob]:
        """Give the refused bytes that are kept apart, in the order of their SHA-256."""
        for stored in await asyncio.to_thread(_look_into, self._quarantine_folder, "", _WHOLE):
            yield stored

    async def sweep_stale(self, before: float, *, damaged_before: float) -> int:
        """Delete temporary files left before a time, and damaged bytes set apart before another (Unix seconds)."""
        return await asyncio.to_thread(self._sweep_stale, before, damaged_before)

    def _sweep_stale(self, before: float, damaged_before: float) -> int:
        damaged = list(self._quarantine_folder.glob("*.damaged"))
        return self._temporary.sweep_stale(before) + delete_older(damaged, damaged_before)

    async def ping(self) -> None:
        """Files are here."""

    def describe(self) -> str:
        """Tell where the bytes are."""
        return f"The zips are files in {self._root}."

    def shortcomings(self) -> Sequence[str]:
        """Files can do it all."""
        return ()


def _flush_file(temporary: Temporary) -> None:
    temporary.file.flush()
    os.fsync(temporary.file.fileno())


def open_blob(path: Path, blob: Blob) -> FileIO:
    """Open a blob's file. Raises PfnError: ``blob_missing``; ``blob_corrupt`` where its size is another."""
    if blob.corrupt:
        raise damaged_blob()
    try:
        file = FileIO(path)
    except FileNotFoundError as error:
        raise missing_blob() from error
    if os.fstat(file.fileno()).st_size != blob.size:
        file.close()
        raise damaged_blob()
    return file


def _require(path: Path, blob: Blob) -> None:
    open_blob(path, blob).close()


def _names(folder: Path, pattern: re.Pattern[str]) -> list[str]:
    try:
        return sorted(path.name for path in folder.iterdir() if pattern.fullmatch(path.name))
    except FileNotFoundError:
        return []


def _look_into(folder: Path, first: str, pattern: re.Pattern[str]) -> list[StoredBlob]:
    return list(_stat(folder, first, pattern))


def _stat(folder: Path, first: str, pattern: re.Pattern[str]) -> Iterator[StoredBlob]:
    for name in _names(folder, pattern):
        # Deleted since its folder was listed.
        with suppress(FileNotFoundError):
            found = (folder / name).stat()
            yield StoredBlob(first + name, found.st_size, found.st_mtime)
