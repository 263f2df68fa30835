"""Row 1: a first sync, beside curl that fetches the same files and sha256sum that hashes them.

nginx serves them from the load's core; who fetches may use both. Of v2 three files come with each release: its
statement, its signature and its zip.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.harness import Goal, Place, Round, Row, alternate
from bench.node import CONCURRENCY, make_node
from bench.serving import free_port, run_nginx
from bench.static_publisher import VERSION, StaticPublisher, make_publisher
from pfn.publisher import paths

_ZIPS: Final = 4_000


def _measure(generation: int, *, judged: bool, place: Place) -> Iterator[Round]:
    zips, port = 300 if place.quick else _ZIPS, free_port()
    publisher = make_publisher(place.make("publisher"), f"http://127.0.0.1:{port}", zips)
    files = _list_files(publisher, generation)
    with run_nginx(place, f"location / {{ root {publisher.folder}; }}", port=port, as_load=True):
        verdicts: list[str] = []
        if not judged:
            _sync(place, publisher, generation, "judged", [])
            verdicts = [str(place.folder / "judged")]
        yield from alternate(
            place,
            lambda: zips / _sync(place, publisher, generation, "node", verdicts),
            lambda: zips / _fetch(place, publisher, files),
        )


def _sync(place: Place, publisher: StaticPublisher, generation: int, name: str, verdicts: list[str]) -> float:
    data = place.make(name)
    source = make_node(data, publisher, generation)
    command = [sys.executable, "-m", "bench.first_sync", str(data), source, *verdicts]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(done.stdout.splitlines()[-1])


def _list_files(publisher: StaticPublisher, generation: int) -> list[str]:
    zips = list(publisher.zips.values())
    if generation == 1:
        return zips
    statements = [paths.statement_path(slug, VERSION) for slug in publisher.zips]
    return [*zips, *(path + paths.SIGNATURE_SUFFIX for path in zips), *statements]


def _fetch(place: Place, publisher: StaticPublisher, files: list[str]) -> float:
    folder = place.make("fetched")
    wanted = folder.with_suffix(".curl")
    wanted.write_text(
        "".join(f'url = "{publisher.url}/{path}"\noutput = "{folder}/{number}"\n' for number, path in enumerate(files))
    )
    fetch = ["curl", "--silent", "--fail", "--parallel", "--parallel-max", str(CONCURRENCY), "--config", str(wanted)]
    began = time.perf_counter()
    subprocess.run(fetch, check=True, capture_output=True)
    fetched: list[Path] = sorted(folder.iterdir())
    subprocess.run(["sha256sum", *(path.name for path in fetched)], cwd=folder, check=True, capture_output=True)
    seconds = time.perf_counter() - began
    if len(fetched) != len(files):
        raise RuntimeError(f"curl fetched {len(fetched)} of {len(files)} files")
    return seconds


def _row(name: str, what: str, goal: float, generation: int, *, judged: bool = True) -> Row:
    return Row(
        number=1,
        name=name,
        what=what,
        anchor="curl, sha256sum",
        unit="releases/s",
        goals=(Goal(">=", goal),),
        measure=lambda place: _measure(generation, judged=judged, place=place),
        needs=("nginx", "curl", "sha256sum"),
    )


ROWS: Final = (
    _row("sync", f"first sync of {_ZIPS:,} zips of 50 KB", 0.5, 1),
    _row("sync-unjudged", "the same without the zip check", 0.7, 1, judged=False),
    _row("sync-signed", "the same of v2: with statements and signatures", 0.5, 2),
)
