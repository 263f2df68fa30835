"""The bytes: zips known by SHA-256, in files (``file_blobs``) or in an S3 bucket (``bucket``).

What both promise is said here, once, and one contract test runs on both. A stored blob is durable before any row speaks
of it, is never written to again, and keeping equal bytes twice succeeds. A crash leaves a temporary file, or a blob
without a row: garbage, and harmless.
"""

import errno
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedWriter
from pathlib import Path
from typing import Protocol

from pfn.domain.release import Blob
from pfn.protocol.errors import Code, PfnError


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


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """What lies in the store, whether a row speaks of it or not; ``modified_at`` in Unix seconds."""

    sha256: str
    size: int
    modified_at: float


class BlobStore(Protocol):
    """Where blobs are. Whatever looks at bytes raises PfnError (``storage_unavailable``) where a bucket is away."""

    def sweep(self) -> int:
        """Delete the temporary files that a crash left, and tell how many those were.

        For a starting node alone: a running one's temporary files are here too.
        """

    def free_bytes(self) -> int | None:
        """Tell how much room there is on the disk that zips arrive on; None where that is not known."""

    def receive(self) -> Temporary:
        """Open a temporary file to write to. Raises PfnError (``storage_full``) where the disk is full."""

    async def keep(self, arrived: Sequence[tuple[Temporary, Blob]]) -> None:
        """Make temporary files durable blobs, all of them once it returns. Raises PfnError (``storage_full``)."""

    async def quarantine(self, temporary: Temporary, sha256: str) -> None:
        """Keep refused bytes apart: where nothing is served from, under a name that no plugin can choose."""

    def quarantined(self, sha256: str) -> AbstractAsyncContextManager[Path]:
        """Give quarantined bytes as a local file, for as long as the block lasts.

        Raises PfnError (``blob_missing``).
        """

    async def drop_quarantined(self, sha256: str) -> None:
        """Delete quarantined bytes, if they are there."""

    async def matches(self, blob: Blob) -> bool:
        """Hash the stored bytes again; False where they are others, missing or cannot be read."""

    async def restore(self, temporary: Temporary, blob: Blob) -> None:
        """Put whole bytes in the place of damaged ones, which are set apart first for their operator to look at.

        Between the two there may be none, as if the bytes were missing. Raises PfnError (``storage_full``).
        """

    async def require(self, blob: Blob) -> None:
        """Raise PfnError (``blob_missing``, ``blob_corrupt``) unless the bytes are there, of the right size."""

    def read(self, blob: Blob, first: int, length: int) -> AsyncIterator[bytes]:
        """Give ``length`` bytes from the byte ``first`` on, in pieces. Raises PfnError as ``require``."""

    def local(self, blob: Blob) -> Path | None:
        """Give where a blob's file is or should be, without looking; None where blobs are no files of this machine."""

    async def sign(self, blob: Blob, seconds: int, filename: str) -> str | None:
        """Give a URL under which anybody may fetch the bytes for ``seconds``; None where there can be none."""

    def list(self, after: str = "") -> AsyncIterator[StoredBlob]:
        """Give what is stored, in the order of its SHA-256, from behind ``after`` on."""

    async def delete(self, sha256: str) -> None:
        """Delete a blob, if it is there."""

    def list_quarantined(self) -> AsyncIterator[StoredBlob]:
        """Give the refused bytes that are kept apart, in the order of their SHA-256."""

    async def sweep_stale(self, before: float, *, damaged_before: float) -> int:
        """Delete temporary files left before a time (Unix seconds), and damaged bytes set apart before another.

        Tells how many files that were. Safe beside running processes.
        """

    async def ping(self) -> None:
        """Raise PfnError (``storage_unavailable``) where the bytes are elsewhere and cannot be reached now."""

    def describe(self) -> str:
        """Tell in a sentence where the bytes are, without secrets."""

    def shortcomings(self) -> Sequence[str]:
        """Tell, a sentence each, what the store cannot do and how the node does without."""


def missing_blob() -> PfnError:
    """Give the error for lost bytes."""
    return PfnError(Code.BLOB_MISSING, "The node has lost the bytes of this release; its operator must restore them.")


def damaged_blob() -> PfnError:
    """Give the error for damaged bytes."""
    return PfnError(Code.BLOB_CORRUPT, "The stored bytes of this release are damaged; they are not served.")


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
