"""Rows 2 and 3: what a source costs that lists what it listed before; a thousand of them, beside a bare client."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import aiohttp
import uvloop
from sqlalchemy import delete, insert, select

from bench.harness import Goal, Place, Round, Row
from bench.node import CONCURRENCY, node_settings, source_row, subscribe
from pfn.app import database_url, make_worker, open_services, prepare
from pfn.domain.schedule import Result, Work
from pfn.services.node import Services
from pfn.storage.database import Database
from pfn.storage.schema import mirrored_plugins, schedule, sources, subscriptions
from pfn.testing.swarm import Kind, PublisherSwarm

_SOURCES: Final = 1_000
_PLUGINS_EACH: Final = 3
_START: Final = 1_800_000_000
_LATER_S: Final = 2 * 86_400


class _Clock:
    """A clock that stands until it is moved: what is due is due at once."""

    now = float(_START)

    def __call__(self) -> float:
        return self.now


def _measure_one(place: Place) -> Iterator[Round]:
    yield from uvloop.run(_look(place))


async def _look(place: Place) -> list[Round]:
    data, clock, rounds = place.make("node"), _Clock(), []
    prepared = prepare(node_settings(data))
    async with PublisherSwarm(1, 300) as swarm, open_services(prepared, clock) as services:
        member = swarm.members[0]
        key = member.publisher.shown_key.pem
        rows = Database(database_url(node_settings(data)))
        await _register(rows, [(member.publisher.url, member.publisher.username, key)], subscribed=True)
        await services.schedule.fill()
        await services.syncs.run_now(member.source_id)
        for _ in range(place.rounds):
            clock.now += _LATER_S
            before, stored = member.traffic + type(member.traffic)(), await _releases(rows)
            lease = await services.leases.claim(Work.SYNC, member.source_id)
            assert lease is not None  # nobody else is here
            async with services.leases.keep(lease):
                outcome = await services.syncs.run_due(lease)
            await services.schedule.finish(lease, outcome)
            spent = member.traffic - before
            written = await _releases(rows) - stored
            note = f"{spent.body_bytes[Kind.UNCHANGED]} body bytes, {written} release rows written, of 300 plugins"
            if outcome.result is not Result.UNCHANGED or written or spent.body_bytes.total():
                raise RuntimeError(f"{outcome}: {note}")
            rounds.append(Round(spent.requests.total(), note=note))
        await rows.close()
    return rounds


async def _releases(rows: Database) -> int:
    async with rows.read() as connection:
        return len((await connection.execute(select(mirrored_plugins.c.id))).all())


async def _register(rows: Database, publishers: list[tuple[str, str, str]], *, subscribed: bool) -> None:
    made = [source_row(url, name, pem, _START) for url, name, pem in publishers]
    async with rows.write() as connection:
        await connection.execute(insert(sources), made)
        if subscribed:
            await connection.execute(insert(subscriptions), subscribe([str(row["id"]) for row in made], _START))


def _measure_many(place: Place) -> Iterator[Round]:
    count = 100 if place.quick else _SOURCES
    with _run_swarm(place, count) as publishers, place.pinned():
        yield from uvloop.run(_poll(place, publishers))


@contextmanager
def _run_swarm(place: Place, count: int) -> Iterator[list[tuple[str, str, str]]]:
    """Run publishers in a process of their own, on the core of the load; give where, who and their keys."""
    command = [sys.executable, "-m", "bench.swarm", str(count), str(count * _PLUGINS_EACH)]
    with place.pinned(load=True):
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield [tuple(one) for one in json.loads(process.stdout.readline())]
    finally:
        process.communicate()


async def _poll(place: Place, publishers: list[tuple[str, str, str]]) -> list[Round]:
    data, clock = place.make("node"), _Clock()
    settings = node_settings(data)
    rows, rounds = Database(database_url(settings)), []
    async with open_services(prepare(settings), clock) as services:
        await _register(rows, publishers, subscribed=False)
        await services.schedule.fill()
        async with rows.write() as connection:
            # What a node does beside is for other rows.
            await connection.execute(delete(schedule).where(schedule.c.kind != Work.SYNC.value))
        await rows.close()
        worker = make_worker(services, settings)
        await worker.finish_due()
        await _bare(publishers)
        await _ask_all(services, worker, clock)
        for _ in range(place.rounds):
            ours = await _ask_all(services, worker, clock)
            rounds.append(Round(len(publishers) / ours, len(publishers) / await _bare(publishers)))
    return rounds


async def _ask_all(services: Services, worker: Any, clock: _Clock) -> float:  # noqa: ANN401
    """Do all that is due two days later, which is to ask every source; give the seconds that took."""
    clock.now += _LATER_S
    began = time.perf_counter()
    done = [one for one in await worker.finish_due() if one.kind is Work.SYNC]
    seconds = time.perf_counter() - began
    if not done or any(one.outcome.result is not Result.UNCHANGED for one in done):
        raise RuntimeError(f"{len(done)} were asked: {done[:1]}")
    # A slow one may come round twice; what is counted is what was asked.
    return seconds * len({one.subject for one in done}) / len(done)


async def _bare(publishers: list[tuple[str, str, str]]) -> float:
    turns = asyncio.Semaphore(CONCURRENCY)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=CONCURRENCY)) as session:

        async def ask(url: str, name: str) -> None:
            async with turns, session.get(f"{url}/author-data?author={name}", headers={"If-None-Match": '"0"'}) as got:
                await got.read()
                if got.status != 304:
                    raise RuntimeError(f"{url}: {got.status}")

        began = time.perf_counter()
        await asyncio.gather(*(ask(url, name) for url, name, _ in publishers))
        return time.perf_counter() - began


ROWS: Final = (
    Row(
        number=2,
        name="unchanged",
        what="requests of a sync in which nothing changed; 0 body bytes, 0 release rows",
        anchor="exact",
        unit="request",
        goals=(Goal("==", 1, of="ours"),),
        measure=_measure_one,
    ),
    Row(
        number=3,
        name="poll",
        what=f"{_SOURCES:,} unchanged sources polled",
        anchor="the same conditional GETs, bare",
        unit="sources/s",
        goals=(Goal(">=", 0.4),),
        measure=_measure_many,
    ),
)
