"""What things cost at 1,000 to 300,000 stored releases: ``python -m bench.growth``, which draws the growth plots.

Each is measured in a node of its own, whose rows were made straight. Reads go over HTTP, each for something else, so
that nothing was answered a moment ago; what is written goes through the services. Medians, in milliseconds.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode

import uvloop
from sqlalchemy import insert, text

from bench.harness import Place
from bench.node import node_settings, source_row
from bench.peer import entry
from bench.plot import plot
from bench.serving import Server, run_node
from bench.store import VERSION, WORDS, open_store, slug, source_id
from pfn.app import database_url, open_services, prepare
from pfn.domain.activity import NODE, Activity, ActivityType, describe
from pfn.domain.schedule import Result, Work
from pfn.domain.subscription import Filters
from pfn.protocol.log.entry import parse_leaf
from pfn.services.leaf import append
from pfn.services.node import Services
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.schema import sources
from pfn.storage.subscription import put_subscription
from pfn.testing.swarm import Member, PublisherSwarm

SIZES: Final = (1_000, 10_000, 60_000, 300_000)
_IMAGES: Final = Path("docs/images")
_TURNS: Final = 15
_LISTED: Final = 300
_WANTED: Final = 8
_BATCH: Final = 5_000
_AT: Final = 1_790_000_000
_MEMORY: Final = "memory, MB"
_PLOTS: Final[Mapping[str, tuple[str, Sequence[str]]]] = {
    "reads": (
        "What a read costs, by what is stored",
        ("page of plugins", "plugin's page", "search", "feed of a source", "feed of all", "update check of 50"),
    ),
    "writes": ("What is written costs, by what is stored", ("sync, 3 changes", "sync, none", "checkpoint")),
    "memory": ("Memory of a node, by what is stored", (_MEMORY,)),
}


class _Clock:
    """A clock that stands until it is moved."""

    now = float(_AT)

    def __call__(self) -> float:
        return self.now


def measure(place: Place, count: int) -> dict[str, float]:
    """Give what each thing costs at this size, by name."""
    data = open_store(place, count)
    uvloop.run(_add_events(data, count))
    with run_node(place, data, work="0") as node:
        found = _read(node, count)
        found[_MEMORY] = _memory(node.pid)
    return found | uvloop.run(_write(data))


def _read(node: Server, count: int) -> dict[str, float]:
    asked: dict[str, Callable[[int], tuple[str, bytes | None]]] = {
        "page of plugins": lambda turn: (f"/plugins?source={quote(source_id(turn))}", None),
        "plugin's page": lambda turn: (f"/plugins/{quote(source_id(turn), safe='@')}/{slug(turn)}", None),
        "search": lambda turn: (f"/plugins?q={WORDS[turn]}+{WORDS[turn + 40]}", None),
        "feed of a source": lambda turn: (f"/federation/activity.atom?source_id={quote(source_id(turn))}", None),
        "feed of all": lambda turn: (f"/federation/activity.atom?limit={50 + turn}", None),
        "update check of 50": lambda turn: ("/plugins/update-check/1.1/", _update_check(turn, count)),
    }
    found = {}
    for name, ask in asked.items():
        times = []
        for turn in range(_TURNS + 1):
            path, body = ask(turn)
            began = time.perf_counter()
            with urllib.request.urlopen(urllib.request.Request(node.url + path, body), timeout=60) as answer:
                answer.read()
            times.append((time.perf_counter() - began) * 1000)
        found[name] = statistics.median(times[1:])
    return found


def _update_check(turn: int, count: int) -> bytes:
    numbers = range(turn * 50 % (count - 50), turn * 50 % (count - 50) + 50)
    installed = {
        f"{slug(number)}/plugin.php": {"Name": slug(number), "Version": "1.0.0" if number % 2 else VERSION}
        for number in numbers
    }
    said = json.dumps({"plugins": installed, "active": []})
    return urlencode({"plugins": said, "translations": "[]", "locale": "[]", "all": "true"}).encode()


def _memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")) / 1024


async def _write(data: Path) -> dict[str, float]:
    settings, clock = node_settings(data), _Clock()
    rows = Database(database_url(settings))
    try:
        async with PublisherSwarm(1, _LISTED) as swarm, open_services(prepare(settings), clock) as services:
            member = swarm.members[0]
            wanted = sorted(member.plugins)[:_WANTED]
            publisher = member.publisher
            async with rows.write() as connection:
                row = source_row(publisher.url, publisher.username, publisher.shown_key.pem, _AT)
                await connection.execute(insert(sources), row)
                await put_subscription(connection, member.source_id, "bench", Filters(slugs=tuple(wanted)), _AT)
            await services.syncs.run_now(member.source_id)
            await _sync(services, clock, member, [], Result.UNCHANGED)
            changed, unchanged, checkpoints = [], [], []
            for turn in range(_TURNS):
                three = [wanted[(3 * turn + one) % _WANTED] for one in range(3)]
                changed.append(await _sync(services, clock, member, three, Result.CHANGED))
                unchanged.append(await _sync(services, clock, member, [], Result.UNCHANGED))
                async with rows.write() as connection:
                    await append(connection, [parse_leaf(entry(turn))], _AT)
                began = time.perf_counter()
                await services.log.checkpoint()
                checkpoints.append((time.perf_counter() - began) * 1000)
    finally:
        await rows.close()
    return {
        "sync, 3 changes": statistics.median(changed),
        "sync, none": statistics.median(unchanged),
        "checkpoint": statistics.median(checkpoints),
    }


async def _sync(services: Services, clock: _Clock, member: Member, changed: Sequence[str], expected: Result) -> float:
    for one in changed:
        member.plugins[one] += 1
    member.revision += bool(changed)
    clock.now += 3600
    lease = await services.leases.claim(Work.SYNC, member.source_id)
    assert lease is not None  # nobody else is here
    began = time.perf_counter()
    outcome = await services.syncs.run_due(lease)
    seconds = time.perf_counter() - began
    await services.schedule.finish(lease, outcome)
    if outcome.result is not expected:
        raise RuntimeError(f"the sync ended with {outcome}")
    return seconds * 1000


async def _add_events(data: Path, count: int) -> None:
    """Let the feed have what it would have after so many releases."""
    rows = Database(database_url(node_settings(data)))
    async with rows.write() as connection:
        for first in range(0, count, _BATCH):
            await add_activities(connection, [_event(number) for number in range(first, min(first + _BATCH, count))])
        await connection.execute(text("ANALYZE"))
    await rows.close()


def _event(number: int) -> Activity:
    return Activity(
        type=ActivityType.VERSION_UPDATE,
        timestamp=_AT - 400_000 + number,
        actor=NODE,
        source_id=source_id(number),
        source_username=source_id(number).partition("@")[0],
        plugin_id=slug(number),
        plugin_name=slug(number),
        old_version="0.0.0",
        new_version=VERSION,
        details=describe("plugin_added", "It was mirrored for the first time."),
    )


def write_table(found: Mapping[int, Mapping[str, float]]) -> str:
    """Write what was found as Markdown."""
    sizes = list(found)
    names = list(found[sizes[0]])
    head = "| stored releases | " + " | ".join(f"{size:,}" for size in sizes) + " |"
    lines = [head, "|---|" + "---|" * len(sizes)]
    for name in names:
        cells = " | ".join(f"{found[size][name]:.1f}" for size in sizes)
        lines.append(f"| {name}{'' if name == _MEMORY else ', ms'} | {cells} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all sizes, draw and print."""
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="stored releases (default: %(default)s)")
    parser.add_argument("--out", type=Path, default=_IMAGES, help="where the plots go (default: %(default)s)")
    chosen = parser.parse_args()
    found: dict[int, dict[str, float]] = {}
    for size in chosen.sizes:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="pfn-growth-") as folder:
            found[size] = measure(Place(Path(folder)), size)
        print(f"{size:,} stored: {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
        # After each, so that who has no patience for the last has all before it.
        _draw(chosen.out, found)
    print(write_table(found))


def _draw(out: Path, found: Mapping[int, Mapping[str, float]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for name, (title, lines) in _PLOTS.items():
        series = {line: [(size, of_size[line]) for size, of_size in found.items()] for line in lines}
        unit = "MB" if name == "memory" else "milliseconds"
        (out / f"growth-{name}.svg").write_text(plot(title, "stored releases", unit, series))


if __name__ == "__main__":
    main()
