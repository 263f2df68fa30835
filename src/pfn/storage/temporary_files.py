"""Temporary files that zips arrive in, on this machine's disk whatever the store they go to."""

import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from pfn.storage.blob_store import Temporary, storage_errors


class TemporaryFiles:
    """A folder of temporary files, made where it is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def free_bytes(self) -> int:
        """Tell how much room is left on the disk."""
        return shutil.disk_usage(self.folder).free

    def receive(self) -> Temporary:
        """Open a temporary file to write to. Raises PfnError (``storage_full``) where the disk is full."""
        path = self.folder / secrets.token_hex(16)
        with storage_errors():
            return Temporary(path, path.open("xb"))

    def sweep(self) -> int:
        """Delete all of them, and tell how many those were."""
        stale = list(self.folder.iterdir())
        for path in stale:
            path.unlink(missing_ok=True)
        return len(stale)

    def sweep_stale(self, before: float) -> int:
        """Delete those last written to before a time (Unix seconds), and tell how many those were."""
        return delete_older(list(self.folder.iterdir()), before)


def delete_older(paths: list[Path], before: float) -> int:
    """Delete the files last written to before a time (Unix seconds), and tell how many those were."""
    deleted = 0
    for path in paths:
        # Its own process may have put it in its place or deleted it meanwhile.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
                deleted += 1
    return deleted
