"""Show where a row's time goes: ``python -m bench.profile ROW…``, a sampling profile of the node's processes.

py-spy looks a hundred times a second at which Python line each thread that runs is on, C code under the line that
called it. Left out are looks at the harness, the publishers, the anchors and the loading of modules, and those at
SQLite's own thread where the node is within the harness. Printed are two shares of the same looks: whose code was at
work (a library, a part of the standard library, a part of ours), and which module of ours had asked for it.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_MOST: Final = 9
_LEAST_SHARE: Final = 0.01
_FRAME: Final = re.compile(r" \((?P<file>[^()]+?)(?::\d+)?\)$")
_NOT_OURS: Final = (
    "(pfn/testing/",
    "(pfn/publisher/",
    "(bench/store.py",
    "(bench/static_publisher.py",
    "(bench/swarm.py",
    "(alembic/",
    "(<frozen importlib",
)
_SERVING: Final = re.compile(r"process \d+:\"[^\"]*(pfn serve|pfn work|pfn\.cli\.)")
# What a leaf is called where its file's folder says too little.
_CALLED: Final = {
    "pfn/storage/sqlite_connection.py": "SQLite",
    "aiosqlite": "SQLite",
    "nacl": "libsodium",
    "greenlet": "sqlalchemy",
    "<string>": "sqlalchemy",
    "concurrent": "threads",
    "threading.py": "threads",
    "queue.py": "threads",
    "selectors.py": "asyncio",
    "uvloop": "asyncio",
}
# What every statement goes through: who made it is asked for.
_PLUMBING: Final = ("pfn/storage/sqlite_connection.py", "pfn/storage/database.py", "pfn/tracing.py")


@dataclass(slots=True)
class Profile:
    """How many looks fell on whose code, and on whose behalf."""

    looks: int = 0
    at_work: Counter[str] = field(default_factory=Counter)
    asked_by: Counter[str] = field(default_factory=Counter)


def main() -> int:
    """Profile the rows that were asked for; return 1 where py-spy is missing."""
    parser = argparse.ArgumentParser(prog="bench.profile", description=__doc__)
    parser.add_argument("rows", nargs="+", help="numbers of rows, or beginnings of their names")
    parser.add_argument("--rounds", type=int, default=1, help="turns of each, for a row that is soon over")
    parser.add_argument("--quick", action="store_true", help="little data, short turns: only to see that it works")
    chosen = parser.parse_args()
    py_spy = shutil.which("py-spy", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}")
    if py_spy is None:
        print("Missing: py-spy. Install with: pip install py-spy", file=sys.stderr)
        return 1
    for row in chosen.rows:
        print(
            f"{row}\n\n{write_profile(read_samples(sample(py_spy, row, chosen.rounds, quick=chosen.quick)))}\n",
            flush=True,
        )
    return 0


def sample(py_spy: str, row: str, rounds: int, *, quick: bool) -> Sequence[str]:
    """Run a row under the profiler, and give its lines: a stack and how often it was seen."""
    with tempfile.TemporaryDirectory() as folder:
        samples = Path(folder) / "samples"
        command = [py_spy, "record", "--subprocesses", "--format", "raw", "--output", str(samples)]
        measured = [sys.executable, "-m", "bench", row, "--rounds", str(rounds), *(["--quick"] if quick else [])]
        subprocess.run([*command, "--", *measured], check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if not samples.exists():
            raise RuntimeError(f"py-spy left nothing of {row}; it needs the right to look into other processes")
        return samples.read_text(encoding="utf-8", errors="replace").splitlines()


def read_samples(lines: Sequence[str]) -> Profile:
    """Count what is the node's: of its own processes where there are such, else what of it ran within the harness."""
    profile = Profile()
    serving = any(_SERVING.search(line) for line in lines)
    for line in lines:
        stack, _, count = line.rpartition(" ")
        if any(one in stack for one in _NOT_OURS) or not (_SERVING.search(stack) if serving else "(pfn/" in stack):
            continue
        files = [found["file"] for frame in stack.split(";") if (found := _FRAME.search(frame))]
        if not files:
            continue
        asked = next(
            (_module(file) for file in reversed(files) if file.startswith("pfn/") and file not in _PLUMBING), None
        )
        if asked is None and not serving:
            # SQLite's thread: making the store, which is no part of it, went through the same.
            continue
        profile.looks += int(count)
        profile.at_work[_name(files[-1])] += int(count)
        profile.asked_by[asked or _server_or_thread(files)] += int(count)
    return profile


def _name(file: str) -> str:
    """Name whose code a file is: ``pfn.storage`` of ours, ``sqlalchemy``, ``json`` of the standard library."""
    first, *rest = file.split("/")
    called = _CALLED.get(file) or _CALLED.get(first)
    if called is not None:
        return called
    if first == "pfn" and len(rest) > 1:
        return f"pfn.{rest[0]}"
    return first.removesuffix(".py").strip("<>")


def _server_or_thread(files: Sequence[str]) -> str:
    return "SQLite's thread" if any(file in _PLUMBING for file in files) else "the server"


def _module(file: str) -> str:
    return file.removesuffix(".py").replace("/", ".")


def write_profile(profile: Profile) -> str:
    """Write both shares side by side, as Markdown."""
    columns = [_shares(counts, profile.looks) for counts in (profile.at_work, profile.asked_by)]
    lines = ["| at work | share | asked for by | share |", "|---|---|---|---|"]
    for number in range(max(map(len, columns))):
        cells = [cell for column in columns for cell in (column[number] if number < len(column) else ("", ""))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", f"{profile.looks:,} looks."])


def _shares(counts: Counter[str], total: int) -> list[tuple[str, str]]:
    named = [(name, count) for name, count in counts.most_common(_MOST) if count >= total * _LEAST_SHARE]
    rest = total - sum(count for _, count in named)
    return [(name, f"{count / total:.0%}") for name, count in [*named, *([("all else", rest)] if rest else [])]]


if __name__ == "__main__":
    sys.exit(main())
