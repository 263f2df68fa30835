"""Row 13: what the log costs: a batch of releases appended, and a proof out of a tree of a million."""

import time
from collections.abc import Iterator
from typing import Any, Final

import uvloop
from sqlalchemy import event, insert

from bench.harness import Goal, Place, Round, Row
from bench.node import node_settings
from bench.peer import entry
from pfn.app import database_url, open_services, prepare
from pfn.protocol.log.edge import Edge, grow
from pfn.protocol.log.entry import parse_leaf
from pfn.protocol.log.merkle import leaf_hash
from pfn.services.leaf import append
from pfn.storage.database import Database
from pfn.storage.schema import log_leaves, log_tiles

_RELEASES: Final = 10_000
_BATCH: Final = 64
_MILLION: Final = 1_000_000
_PROOFS: Final = 200


def _measure_append(place: Place) -> Iterator[Round]:
    count = 1_000 if place.quick else _RELEASES
    with place.pinned():
        for _ in range(place.rounds):
            yield uvloop.run(_append(place, count))


async def _append(place: Place, count: int) -> Round:
    data = place.make("node")
    prepare(node_settings(data))
    leaves = [parse_leaf(entry(number)) for number in range(count)]
    rows = Database(database_url(node_settings(data)))
    writes, commits, tiles = 0, 0, 0

    def see(_connection: Any, cursor: Any, statement: str, *_rest: Any) -> None:  # noqa: ANN401
        nonlocal writes, tiles
        if statement.startswith("INSERT INTO log_tiles"):
            writes += 1
            tiles += max(cursor.rowcount, 0)

    def commit(_connection: Any) -> None:  # noqa: ANN401
        nonlocal commits
        commits += 1

    event.listen(rows.engine.sync_engine, "after_cursor_execute", see)
    event.listen(rows.engine.sync_engine, "commit", commit)
    batches, began = 0, time.perf_counter()
    for first in range(0, count, _BATCH):
        async with rows.write() as connection:
            await append(connection, leaves[first : first + _BATCH], 1_800_000_000)
        batches += 1
    seconds = time.perf_counter() - began
    await rows.close()
    if commits != batches:
        raise RuntimeError(f"{commits} transactions for {batches} batches")
    note = f"{count / seconds:,.0f} releases/s; {tiles / batches:.1f} tiles and 1 transaction, so 1 fsync, a batch"
    return Round(writes / batches, note=note)


def _measure_proof(place: Place) -> Iterator[Round]:
    with place.pinned():
        yield from uvloop.run(_prove(place, 20_000 if place.quick else _MILLION))


async def _prove(place: Place, size: int) -> list[Round]:
    data, rounds = place.make("node"), []
    prepared = prepare(node_settings(data))
    growth = grow(Edge(), (leaf_hash(b"%d" % number) for number in range(size)))
    rows = Database(database_url(node_settings(data)))
    async with rows.write() as connection:
        # Of the leaves the last is enough: it says how many there are, and proofs are made of tiles.
        last = {"idx": size - 1, "kind": "release", "leaf": b"%d" % (size - 1), "at": 1}
        await connection.execute(insert(log_leaves), last)
        await connection.execute(
            insert(log_tiles),
            [{"level": tile.level, "number": tile.number, "hashes": hashes} for tile, hashes in growth.tiles.items()],
        )
    async with open_services(prepared, time.time) as services:
        tree = (await services.log.sign()).head.size
        for turn in range(place.rounds):
            longest, began = 0, time.perf_counter()
            for number in range(_PROOFS):
                proof = await services.log.prove_inclusion((number * 7_919 + turn) % size, tree)
                longest = max(longest, sum(map(len, proof)))
            each = (time.perf_counter() - began) / _PROOFS * 1000
            if longest > 2_000:
                raise RuntimeError(f"a proof has {longest} bytes")
            rounds.append(Round(each, note=f"a proof has {longest} bytes at most, of 2,000"))
    await rows.close()
    return rounds


ROWS: Final = (
    Row(
        number=13,
        name="log-append",
        what=f"{_RELEASES:,} releases logged, {_BATCH} at a time: tile writes a batch",
        anchor="exact",
        unit="write",
        goals=(Goal("==", 1, of="ours"),),
        measure=_measure_append,
    ),
    Row(
        number=13,
        name="log-proof",
        what=f"an inclusion proof from a tree of {_MILLION:,}",
        anchor="",
        unit="ms",
        goals=(Goal("<=", 5, of="ours"),),
        measure=_measure_proof,
    ),
)
