"""Row 10: a node reads all of a new peer's log, beside a loop that decodes and inserts the same entries.

Metadata only: nothing is taken, so what counts is to fetch the entries, prove them against the signed tree, see what
each means for this node, and keep it. The bare loop has them in memory and proves nothing.
"""

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvloop

from bench.harness import Goal, Place, Round, Row, alternate
from bench.node import node_settings
from bench.peer import entry
from bench.store import open_store
from pfn.app import database_url, open_services, prepare
from pfn.domain.peer import PeerPolicy, PeerState, introduce
from pfn.protocol.log.entry_bundle import read_entries, write_entries
from pfn.protocol.log.tile import TILE_WIDTH
from pfn.protocol.peer import NodeDescription, read_node_description
from pfn.storage.database import Database
from pfn.storage.peer import add_peer, change_peer, get_peer

_RELEASES: Final = 60_000


def _measure(place: Place) -> Iterator[Round]:
    count = 2_000 if place.quick else _RELEASES
    bundles = [
        write_entries([entry(number) for number in range(first, min(first + TILE_WIDTH, count))])
        for first in range(0, count, TILE_WIDTH)
    ]
    with _run_peer(place, count) as peer, place.pinned():
        yield from alternate(
            place,
            lambda: count / uvloop.run(_catch_up(open_store(place, 0), peer, count)),
            lambda: count / _insert(place.make("bare") / "rows.db", bundles, count),
        )


@contextmanager
def _run_peer(place: Place, count: int) -> Iterator[NodeDescription]:
    with place.pinned(load=True):
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.peer", str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
    assert process.stdout is not None
    try:
        yield read_node_description(process.stdout.readline())
    finally:
        process.communicate()


async def _catch_up(data: Path, described: NodeDescription, count: int) -> float:
    settings = node_settings(data)
    rows = Database(database_url(settings))
    try:
        async with open_services(prepare(settings), time.time) as services:
            async with rows.write() as connection:
                peer = await add_peer(connection, introduce(described, None, PeerState.ACTIVE, int(time.time())))
                await change_peer(connection, peer.id, policy=PeerPolicy(take="nothing"))
            began = time.perf_counter()
            await services.peer_syncs.run(peer.id)
            seconds = time.perf_counter() - began
            async with rows.read() as connection:
                read = await get_peer(connection, peer.id)
    finally:
        await rows.close()
    if read is None or read.read_to != count:
        raise RuntimeError(f"read to {read and read.read_to} of {count}: {read and read.state_detail}")
    return seconds


def _insert(path: Path, bundles: list[bytes], count: int) -> float:
    with sqlite3.connect(path, isolation_level=None) as rows:
        rows.execute("PRAGMA journal_mode = WAL")
        rows.execute("PRAGMA synchronous = FULL")
        rows.execute("CREATE TABLE leaves (peer_id INTEGER, idx INTEGER, leaf BLOB, PRIMARY KEY (peer_id, idx))")
        began, first = time.perf_counter(), 0
        for bundle in bundles:
            leaves = read_entries(bundle, min(TILE_WIDTH, count - first))
            for leaf in leaves:
                json.loads(leaf)
            rows.execute("BEGIN IMMEDIATE")
            rows.executemany(
                "INSERT INTO leaves VALUES (1, ?, ?)", [(first + number, leaf) for number, leaf in enumerate(leaves)]
            )
            rows.execute("COMMIT")
            first += len(leaves)
        return time.perf_counter() - began


ROWS: Final = (
    Row(
        number=10,
        name="catchup",
        what=f"a peer's log of {_RELEASES:,} releases read, metadata only",
        anchor="decode and insert",
        unit="releases/s",
        goals=(Goal(">=", 0.3),),
        measure=_measure,
    ),
)
