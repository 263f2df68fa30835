"""What the system says of a process: how much memory it holds, how many files it has open."""

import re
from pathlib import Path


def resident_kib(pid: int) -> int:
    """Give the resident memory of a process and its children, in KiB."""
    return sum(_read_resident(one) for one in [pid, *_children(pid)])


def open_files(pid: int) -> int:
    """Count the files a process has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def _children(pid: int) -> list[int]:
    children: list[int] = []
    for thread in _list(Path(f"/proc/{pid}/task")):
        for child in map(int, _read(thread / "children").split()):
            children += [child, *_children(child)]
    return children


def _read_resident(pid: int) -> int:
    found = re.search(r"^VmRSS:\s+(\d+) kB", _read(Path(f"/proc/{pid}/status")), re.MULTILINE)
    return int(found[1]) if found else 0


# A thread or a child may end between the moment it is listed and the moment it is read: then it holds nothing.
def _list(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except (FileNotFoundError, ProcessLookupError):
        return []


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
