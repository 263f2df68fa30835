"""What the system says of a process: how many files it has open."""

from pathlib import Path


def open_files(pid: int) -> int:
    """Count the files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
