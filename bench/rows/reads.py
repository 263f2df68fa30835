"""Row 8: how long reads take while a first sync runs, beside how long they take when nothing else does."""

import asyncio
import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Final

from bench.harness import Goal, Place, Round, Row
from bench.serving import Server, free_port, run_nginx, run_node
from bench.static_publisher import make_publisher
from bench.store import MASTER_KEY, open_store, register

_PLUGINS: Final = 60_000
_RATE: Final = 40
_SECONDS: Final = 8
_ZIPS: Final = 1_200


def _measure(place: Place) -> Iterator[Round]:
    plugins, zips, seconds = (2_000, 300, 3) if place.quick else (_PLUGINS, _ZIPS, _SECONDS)
    data = open_store(place, plugins)
    sources = []
    with ExitStack() as stack:
        # A publisher for each round, so that each sync is a first one.
        for number in range(place.rounds):
            port = free_port()
            folder = place.make(f"publisher-{number}")
            publisher = make_publisher(folder, f"http://127.0.0.1:{port}", zips)
            stack.enter_context(run_nginx(place, f"location / {{ root {folder}; }}", port=port, as_load=True))
            sources.append(asyncio.run(register(data, publisher)))
        # What is due by itself would run while the node shall be idle.
        node = stack.enter_context(run_node(place, data, work="0"))
        _read(place, node, seconds, plugins)
        for source in sources:
            idle = _read(place, node, seconds, plugins)
            sync = _post(node, "/federation/sync", {"sourceId": source})["sync"]["id"]
            busy = _read(place, node, seconds, plugins)
            mirrored, running = _wait(node, sync)
            still = "" if running else "; the sync ended before the reads did"
            note = (
                f"p50 {statistics.median(busy):.1f} ms, {statistics.median(idle):.1f} idle; "
                f"{mirrored} releases mirrored meanwhile{still}"
            )
            yield Round(_p99(busy), _p99(idle), note)


def _read(place: Place, node: Server, seconds: int, plugins: int) -> list[float]:
    command = [sys.executable, "-m", "bench.reads", node.url, str(seconds), str(_RATE), str(plugins)]
    with place.pinned(load=True):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    latencies: list[float] = json.loads(done.stdout)
    return latencies


def _wait(node: Server, sync: int) -> tuple[int, bool]:
    """Wait until a sync has ended; give how much it had mirrored at first, and whether it ran then."""
    first = _ask(node, f"/federation/syncs/{sync}")
    now = first
    while now["state"] == "running":
        time.sleep(0.5)
        now = _ask(node, f"/federation/syncs/{sync}")
    if now["code"] or now["failed"]:
        raise RuntimeError(f"the sync failed: {now}")
    return int(first["mirrored"]), first["state"] == "running"


def _post(node: Server, path: str, body: dict[str, str]) -> Any:  # noqa: ANN401  # JSON
    return _ask(node, path, json.dumps(body).encode())


def _ask(node: Server, path: str, body: bytes | None = None) -> Any:  # noqa: ANN401
    headers = {"Authorization": f"Bearer {MASTER_KEY}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(node.url + path, body, headers), timeout=60) as answer:
        return json.load(answer)


def _p99(latencies: Sequence[float]) -> float:
    return statistics.quantiles(latencies, n=100)[98]


ROWS: Final = (
    Row(
        number=8,
        name="reads",
        what=f"p99 of reads, {_RATE} a second, while a first sync runs; {_PLUGINS:,} plugins stored",
        anchor="the same, idle",
        unit="ms",
        goals=(Goal("<=", 3),),
        measure=_measure,
        needs=("nginx",),
    ),
)
