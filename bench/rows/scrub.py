"""Row 11: a look over all stored bytes, warm, beside sha256sum on the same files."""

import asyncio
import hashlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvloop

from bench.harness import Goal, Place, Round, Row, alternate
from bench.node import node_settings, source_row
from pfn.app import database_url, open_services, prepare
from pfn.domain.release import Blob
from pfn.domain.schedule import Result
from pfn.protocol.ed25519 import SigningKey
from pfn.storage.database import Database
from pfn.storage.schema import blobs, mirrored_plugins, sources

_SIZES: Final = {50_000: 2_000, 1_000_000: 100}
_AT: Final = 1_750_000_000


def _measure(place: Place) -> Iterator[Round]:
    data = place.make("node")
    prepare(node_settings(data))
    kept = [blob for size, count in _SIZES.items() for blob in _fill(data, size, count // (10 if place.quick else 1))]
    uvloop.run(_write(data, kept))
    megabytes = sum(blob.size for blob in kept) / 1e6
    names = [str(data / "blobs" / blob.local_path) for blob in kept]
    with place.pinned():
        yield from alternate(
            place, lambda: megabytes / uvloop.run(_scrub(data, len(kept))), lambda: megabytes / _sum(names)
        )


def _fill(data: Path, size: int, count: int) -> Iterator[Blob]:
    for _ in range(count):
        content = os.urandom(size)
        blob = Blob(hashlib.sha256(content).hexdigest(), "0" * 40, "0" * 96, size)
        path = data / "blobs" / blob.local_path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        yield blob


async def _write(data: Path, kept: list[Blob]) -> None:
    rows = Database(database_url(node_settings(data)))
    source = source_row("https://publisher.example", "alice", SigningKey.generate().public_key.pem, _AT)
    async with rows.write() as connection:
        await connection.execute(sources.insert(), source)
        await connection.execute(
            blobs.insert(),
            [
                {
                    "sha256": one.sha256,
                    "sha1": one.sha1,
                    "sha384": one.sha384,
                    "size": one.size,
                    "stored_at": _AT,
                    "manifest": [],
                }
                for one in kept
            ],
        )
        await connection.execute(
            mirrored_plugins.insert(),
            [
                {
                    "plugin_id": f"plugin-{number}",
                    "source_id": source["id"],
                    "name": "A plugin",
                    "version": "1.0",
                    "local_path": one.local_path,
                    "signature": "",
                    "mirror_date": _AT,
                    "sha256": one.sha256,
                    "level": "none",
                }
                for number, one in enumerate(kept)
            ],
        )
    await rows.close()


async def _scrub(data: Path, count: int) -> float:
    async with open_services(prepare(node_settings(data)), time.time) as services:
        lease = await services.scrubs.begin()
        began = time.perf_counter()
        outcome = await services.scrubs.run(lease, 0)
        seconds = time.perf_counter() - began
    if outcome.result is not Result.UNCHANGED or str(count) not in (outcome.detail or ""):
        raise RuntimeError(str(outcome))
    # What was looked at in this second is not looked at again in it.
    await asyncio.sleep(1.1)
    return seconds


def _sum(names: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(["sha256sum", *names], check=True, capture_output=True)
    return time.perf_counter() - began


ROWS: Final = (
    Row(
        number=11,
        name="scrub",
        what="a look over 2,000 zips of 50 KB and 100 of 1 MB, warm",
        anchor="sha256sum",
        unit="MB/s",
        goals=(Goal(">=", 0.7),),
        measure=_measure,
        needs=("sha256sum",),
    ),
)
