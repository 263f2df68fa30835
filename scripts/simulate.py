"""A node among many sources: a first sync, hours in which nothing changes, then a day of changes, in minutes.

One process: the node as ``pfn serve`` wires it, on SQLite in a temporary folder, and a swarm of publishers on loopback
(``pfn.testing.swarm``), one in ten of which misbehaves. The clock is held: work is done when it is due and the clock
then goes on to what is due next, so that a day takes as long as its work. What is exact is asserted: requests, bytes
and rows of what did not change, zips of what did, and that those who misbehave disturb nobody. Exit code 1 where one
of these does not hold.
"""

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from sqlalchemy import Connection, event, func, select
from sqlalchemy.engine import Engine

from pfn.app import database_url, make_worker, open_services, prepare
from pfn.cli.log import configure_logging
from pfn.domain.schedule import Work
from pfn.domain.source import SourceStatus
from pfn.domain.subscription import Filters
from pfn.services.node import Services
from pfn.settings import Settings
from pfn.storage.database import Database
from pfn.storage.schema import mirrored_plugins, sources, sync_failures, syncs
from pfn.storage.subscription import put_subscription
from pfn.testing.swarm import RETRY_AFTER_S, Change, Kind, Member, Misbehaviour, PublisherSwarm, Traffic
from pfn.work.runner import Done
from pfn.work.worker import Worker

HOUR, DAY = 3600, 86_400
START = 1_800_000_000
QUIET_HOURS = 3
STEP_S = 60
LONGEST_CATCH_UP_H = 72
BRING_NOTHING = (
    Misbehaviour.ERROR,
    Misbehaviour.HANG_UP,
    Misbehaviour.NO_JSON,
    Misbehaviour.BUSY,
    Misbehaviour.WRONG_SIGNATURE,
    Misbehaviour.TORN_ZIP,
    Misbehaviour.NO_ZIP,
)
out = Console(highlight=False)


@dataclass(slots=True)
class HeldClock:
    """A clock that stands until it is moved."""

    now: float = START

    def __call__(self) -> float:
        """Tell the time, in Unix seconds."""
        return self.now


@dataclass(slots=True)
class Phase:
    """What one part of the simulation cost. ``honest`` is the traffic with publishers that do nothing wrong."""

    name: str
    seconds: float = 0
    cpu_seconds: float = 0
    traffic: Traffic = field(default_factory=Traffic)
    honest: Traffic = field(default_factory=Traffic)
    statements: int = 0
    rows: Counter[str] = field(default_factory=Counter)
    done: list[Done] = field(default_factory=list)
    releases: int = 0
    syncs: int = 0
    memory: int = 0

    def runs(self, kind: Work, subjects: frozenset[str] | None = None, result: str | None = None) -> int:
        """Count pieces of work."""
        return sum(
            one.kind is kind
            and (subjects is None or one.subject in subjects)
            and (result is None or one.outcome.result.value == result)
            for one in self.done
        )


@dataclass(slots=True)
class Meter:
    """Counts statements, and the rows they write by table, of every database of this process."""

    statements: int = 0
    rows: Counter[str] = field(default_factory=Counter)

    def start(self) -> None:
        """Count from now on."""

        @event.listens_for(Engine, "after_cursor_execute")
        def count(
            _connection: Connection, cursor: Any, _statement: str, _parameters: Any, context: Any, _many: bool
        ) -> None:
            self.statements += 1
            if context.isinsert or context.isupdate or context.isdelete:
                self.rows[context.compiled.statement.table.name] += max(cursor.rowcount, 0)


class Simulation:
    """A node, a swarm, and what passes between them."""

    def __init__(
        self, swarm: PublisherSwarm, services: Services, worker: Worker, rows: Database, clock: HeldClock
    ) -> None:
        self.swarm = swarm
        self.phases: list[Phase] = []
        self.broken: list[str] = []
        self.changes: list[tuple[float, Change]] = []
        self.honest = frozenset(member.source_id for member in swarm.honest)
        self._services = services
        self._worker = worker
        self._rows = rows
        self.clock = clock
        self._meter = Meter()
        self._meter.start()

    async def register(self) -> None:
        """Register every publisher and subscribe to all it has, without waiting for each first sync."""
        for member in self.swarm.members:
            publisher = member.publisher
            await self._services.sources.add("simulation", publisher.url, publisher.username, publisher.shown_key.pem)
        async with self._rows.write() as connection:
            for member in self.swarm.members:
                await put_subscription(connection, member.source_id, "simulation", Filters(), START)
        # As a starting node does: its own work comes round too.
        await self._services.schedule.fill()

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Measure what happens in the block."""
        phase = Phase(name)
        traffic, honest = self.swarm.traffic(), self.swarm.traffic(self.swarm.honest)
        began, cpu_began = time.monotonic(), time.process_time()
        statements, written = self._meter.statements, Counter(self._meter.rows)
        yield phase
        phase.seconds, phase.cpu_seconds = time.monotonic() - began, time.process_time() - cpu_began
        phase.traffic = self.swarm.traffic() - traffic
        phase.honest = self.swarm.traffic(self.swarm.honest) - honest
        phase.statements, phase.rows = self._meter.statements - statements, self._meter.rows - written
        phase.memory = memory()
        self.phases.append(phase)

    async def run(self, phase: Phase, hours: float) -> None:
        """Do all that is due within so many hours, and let them pass."""
        before = await self._count()
        end = self.clock.now + hours * HOUR
        while True:
            phase.done += await self._worker.finish_due()
            following = await self._services.schedule.next_due_at()
            if following is None or following > end:
                break
            # On to the next minute in which something is due, as a worker that looks now and then would.
            self.clock.now = min(end, max(self.clock.now, following) // STEP_S * STEP_S + STEP_S)
        self.clock.now = end
        after = await self._count()
        phase.releases += after[mirrored_plugins.name] - before[mirrored_plugins.name]
        phase.syncs += after[syncs.name] - before[syncs.name]

    def change(self, count: int) -> None:
        """Have plugins changed now."""
        self.changes += [(self.clock.now, change) for change in self.swarm.change(count)]

    async def lags(self) -> Sequence[float]:
        """Give how long each change of an honest publisher took to be mirrored, in seconds; -1 is not yet."""
        query = select(mirrored_plugins.c.plugin_id, mirrored_plugins.c.version, mirrored_plugins.c.mirror_date).where(
            mirrored_plugins.c.mirror_date >= START
        )
        async with self._rows.read() as connection:
            mirrored = {(row[0], row[1]): row[2] for row in await connection.execute(query)}
        return [
            mirrored[change.slug, change.version] - at if (change.slug, change.version) in mirrored else -1
            for at, change in self.changes
            if change.member.misbehaviour is None
        ]

    async def count_releases(self, members: Sequence[Member]) -> int:
        """Count what is mirrored of these publishers."""
        async with self._rows.read() as connection:
            rows = await connection.execute(
                select(mirrored_plugins.c.source_id, func.count()).group_by(mirrored_plugins.c.source_id)
            )
            counts = {row[0]: row[1] for row in rows}
        return sum(counts.get(member.source_id, 0) for member in members)

    async def disturbed(self) -> int:
        """Count honest publishers that are not verified or have a failure on record."""
        async with self._rows.read() as connection:
            verified = set(
                await connection.scalars(select(sources.c.id).where(sources.c.status == SourceStatus.VERIFIED.value))
            )
            failed = set(await connection.scalars(select(sync_failures.c.source_id)))
        return len(self.honest - verified) + len(self.honest & failed)

    def law(self, sentence: str, found: object, expected: object) -> None:
        """Say whether a law holds."""
        holds = found == expected
        if not holds:
            self.broken.append(sentence)
        sign = "[green]holds[/green]" if holds else "[bold red]BROKEN[/bold red]"
        out.print(f"  {sign}  {sentence}: {found}" + ("" if holds else f", not {expected}"))

    async def _count(self) -> Counter[str]:
        """Count the releases and the syncs of honest publishers."""
        found: Counter[str] = Counter()
        async with self._rows.read() as connection:
            for table in (mirrored_plugins, syncs):
                rows = await connection.execute(select(table.c.source_id, func.count()).group_by(table.c.source_id))
                found[table.name] = sum(row[1] for row in rows if row[0] in self.honest)
        return found


async def simulate(count: int, plugins: int, changed: float) -> int:
    """Run the simulation, print what it cost and give the exit code."""
    with tempfile.TemporaryDirectory(prefix="pfn-simulation-") as folder:
        settings = Settings(
            data=Path(folder) / "node",
            allow_loopback=True,
            # All publishers live at one address: what is for one host is for all of them here.
            sync_concurrency=16,
            work_concurrency=16,
            probe_every=HOUR,
        )
        prepared, clock = prepare(settings), HeldClock()
        rows = Database(database_url(settings))
        try:
            async with PublisherSwarm(count, plugins) as swarm, open_services(prepared, clock) as services:
                simulation = Simulation(swarm, services, make_worker(services, settings), rows, clock)
                await _first_sync(simulation, plugins)
                await _nothing_changes(simulation)
                await _a_day(simulation, round(plugins * changed))
                await show(simulation)
        finally:
            await rows.close()
    return 1 if simulation.broken else 0


async def _first_sync(simulation: Simulation, plugins: int) -> None:
    swarm = simulation.swarm
    out.rule(f"{len(swarm.members)} sources with {plugins} plugins, {len(simulation.honest)} of them honest")
    with simulation.phase("first sync") as phase:
        await simulation.register()
        await simulation.run(phase, 0)
    own = sum(len(member.plugins) for member in swarm.honest)
    simulation.law("each honest source was synced once", phase.runs(Work.SYNC, simulation.honest), len(swarm.honest))
    simulation.law("zips fetched of honest sources", phase.honest.requests[Kind.ZIP], own)
    simulation.law("releases mirrored of them", phase.releases, own)


async def _nothing_changes(simulation: Simulation) -> None:
    out.rule(f"{QUIET_HOURS} hours without a change")
    with simulation.phase("no change") as phase:
        await simulation.run(phase, QUIET_HOURS)
    asked = {one.subject for one in phase.done if one.kind is Work.SYNC} & simulation.honest
    simulation.law("honest sources that were asked", len(asked), len(simulation.honest))
    simulation.law("catalogues sent again", phase.honest.requests[Kind.CATALOGUE], 0)
    _check_unchanged(simulation, phase)
    simulation.law("zips fetched", phase.honest.requests[Kind.ZIP], 0)
    simulation.law("releases added", phase.releases, 0)
    simulation.law("rows of syncs added", phase.syncs, 0)


async def _a_day(simulation: Simulation, count: int) -> None:
    out.rule(f"a day in which {count} plugins change, and until all is mirrored")
    with simulation.phase("a day of changes") as phase:
        for hour in range(24):
            simulation.change(count * (hour + 1) // 24 - count * hour // 24)
            await simulation.run(phase, 1)
        for _ in range(LONGEST_CATCH_UP_H):
            if -1 not in await simulation.lags():
                break
            await simulation.run(phase, 1)
    lags = await simulation.lags()
    of_those = phase.runs(Work.SYNC, simulation.honest, "changed")
    simulation.law("changes of honest sources that are not mirrored", lags.count(-1), 0)
    simulation.law("zips fetched of honest sources, one a change", phase.honest.requests[Kind.ZIP], len(lags))
    simulation.law("releases added", phase.releases, len(lags))
    simulation.law("catalogues sent, one a sync that found a change", phase.honest.requests[Kind.CATALOGUE], of_those)
    simulation.law("rows of syncs added, one a sync that found a change", phase.syncs, of_those)
    _check_unchanged(simulation, phase)
    await _check_neighbours(simulation)


def _check_unchanged(simulation: Simulation, phase: Phase) -> None:
    unchanged = phase.runs(Work.SYNC, simulation.honest, "unchanged")
    simulation.law("requests, one a sync that found no change", phase.honest.requests[Kind.UNCHANGED], unchanged)
    simulation.law("body bytes of these", phase.honest.body_bytes[Kind.UNCHANGED], 0)


async def _check_neighbours(simulation: Simulation) -> None:
    swarm, hours = simulation.swarm, (simulation.clock.now - START) / HOUR

    def those(*kinds: Misbehaviour) -> Sequence[Member]:
        return [member for member in swarm.members if member.misbehaviour in kinds]

    simulation.law("honest sources not verified, or with a failure", await simulation.disturbed(), 0)
    simulation.law("releases of sources that misbehave", await simulation.count_releases(those(*BRING_NOTHING)), 0)
    emptied = those(Misbehaviour.EMPTIED)
    simulation.law(
        "releases of sources that suddenly list nothing",
        await simulation.count_releases(emptied),
        sum(len(member.plugins) for member in emptied),
    )
    busy = [member.traffic.requests[Kind.CATALOGUE] for member in those(Misbehaviour.BUSY)]
    allowed = 1 + int(hours * HOUR / RETRY_AFTER_S)
    simulation.law("sources asked sooner than their Retry-After", sum(asked > allowed for asked in busy), 0)


async def show(simulation: Simulation) -> None:
    """Print what each phase cost."""
    phases = simulation.phases
    out.rule("what it cost")
    costs: list[tuple[str, Callable[[Phase], str]]] = [
        ("seconds", lambda phase: f"{phase.seconds:.1f}"),
        ("seconds of this process's CPU", lambda phase: f"{phase.cpu_seconds:.1f}"),
        *((f"{kind.value}: requests", _requests(kind)) for kind in Kind if kind is not Kind.OTHER),
        ("body bytes received", lambda phase: f"{phase.traffic.body_bytes.total():,}"),
        *((f"{kind.value}: runs", _runs(kind)) for kind in Work),
        ("SQL statements", lambda phase: f"{phase.statements:,}"),
        ("rows written", lambda phase: f"{phase.rows.total():,}"),
        *((f"  {name}", _rows(name)) for name in sorted({name for phase in phases for name in phase.rows})),
        ("memory after, MB", lambda phase: f"{phase.memory / 1e6:.0f}"),
    ]
    table = Table(box=None, header_style="bold")
    table.add_column("")
    for phase in phases:
        table.add_column(phase.name, justify="right")
    for name, cost in costs:
        table.add_row(name, *(cost(phase) for phase in phases))
    out.print(table)
    lags = sorted(await simulation.lags())
    if lags:
        out.print(f"lag of a change: median {lags[len(lags) // 2] / 60:.0f} min, longest {lags[-1] / 60:.0f} min")
    out.print(f"largest memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
    out.print(f"{len(simulation.broken)} laws broken" if simulation.broken else "All laws hold.")


def _requests(kind: Kind) -> Callable[[Phase], str]:
    return lambda phase: f"{phase.traffic.requests[kind]:,}"


def _runs(kind: Work) -> Callable[[Phase], str]:
    return lambda phase: f"{phase.runs(kind):,}"


def _rows(name: str) -> Callable[[Phase], str]:
    return lambda phase: f"{phase.rows[name]:,}"


def memory() -> int:
    """Give what memory this process takes now, in bytes; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except OSError:
        return 0


def main() -> int:
    """Run the simulation; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=int, default=1000, help="publishers (1000)")
    parser.add_argument("--plugins", type=int, default=60_000, help="plugins of all of them together (60000)")
    parser.add_argument("--changed", type=float, default=0.01, help="part of the plugins that change in the day (0.01)")
    given = parser.parse_args()
    configure_logging("console", "error")
    return asyncio.run(simulate(given.sources, given.plugins, given.changed))


if __name__ == "__main__":
    sys.exit(main())
