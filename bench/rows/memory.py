"""Row 12: what a node takes of the memory when nobody asks it anything, all its processes together."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.harness import Goal, Place, Round, Row
from bench.serving import Asked, ask, run_node
from bench.store import open_store

_PLUGINS: Final = 2_000
_SETTLE_S: Final = 5
_LONGEST_S: Final = 120


def _measure(place: Place) -> Iterator[Round]:
    for _ in range(2 if place.quick else 3):
        with run_node(place, open_store(place, _PLUGINS)) as node:
            ask(node, Asked("/livez"))
            _await_rest(node.pid, 5 if place.quick else _LONGEST_S)
            pids = [node.pid, *_descendants(node.pid)]
            yield Round(sum(map(_resident, pids)) / 1024, note=f"{len(pids)} process(es)")


def _await_rest(pid: int, seconds: float) -> None:
    """Wait until what a node does first is done, and the process that did it gone."""
    deadline = time.monotonic() + seconds
    time.sleep(_SETTLE_S)
    while _descendants(pid) and time.monotonic() < deadline:
        time.sleep(1)


def _descendants(pid: int) -> list[int]:
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(one) for task in tasks for one in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        # It, or a thread of it, has just ended.
        return []
    return [*children, *(deeper for child in children for deeper in _descendants(child))]


def _resident(pid: int) -> int:
    """Give the memory of a process in KiB; what it shares with others is counted once for all of them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise RuntimeError(f"no memory of process {pid}")


ROWS: Final = (
    Row(
        number=12,
        name="memory",
        what="idle memory of one node",
        anchor="none",
        unit="MiB",
        goals=(Goal("<=", 120, of="ours"),),
        measure=_measure,
    ),
)
