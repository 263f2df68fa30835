"""A disk that is really small: a file system in memory, where the machine lets us mount one."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """A disk of its own, at ``path``."""

    path: Path

    def resize(self, megabytes: int) -> None:
        """Make it another size."""
        subprocess.run(["mount", "-o", f"remount,size={megabytes}m", str(self.path)], check=True)

    def fill(self) -> None:
        """Take every byte that is left."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def make_room(self) -> None:
        """Give back what was taken."""
        (self.path / "filler").unlink()


@contextmanager
def mount_small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount a disk at a new folder until the block ends; skips where that is not allowed, as in most containers."""
    path.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("mount is not installed here")
    command = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "tmpfs", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", str(path)], check=True)
