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
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            children += [child, *_children(child)]
    return children


def _read_resident(pid: int) -> int:
    try:
        found = re.search(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    except FileNotFoundError:
        return 0
    return int(found[1]) if found else 0
