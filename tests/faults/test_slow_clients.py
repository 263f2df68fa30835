"""Clients that hold on: 200 that never end their request, a thousand that listen. A real node answers all others."""

import asyncio
import resource
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from scripts.load import resident_kib
from tests.support.node import RunningNode, run_node
from tests.support.process import open_files
from tests.web.api.conftest import Api

from pfn.cli.connection import HEAD_S
from pfn.testing.publisher import FakePublisher

pytestmark = [
    pytest.mark.slow,
    pytest.mark.grown,
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc"),
]

SLOW = 200
STREAMS = 1000
FEW_FILES = 256
PATIENCE_S = 120.0
Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@contextmanager
def few_files() -> Iterator[None]:
    """Begin what is begun in the block with few files allowed, as many systems do; it may ask for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW_FILES, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@asynccontextmanager
async def serving(data: Path) -> AsyncIterator[RunningNode]:
    running = run_node(data)
    with few_files():
        node = await asyncio.to_thread(running.__enter__)
    try:
        yield node
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


@asynccontextmanager
async def connect(node: RunningNode, count: int) -> AsyncIterator[list[Pair]]:
    """Open connections to a node."""
    where = urlsplit(node.url)
    pairs = [await asyncio.open_connection(where.hostname, where.port) for _ in range(count)]
    try:
        yield pairs
    finally:
        for _, writer in pairs:
            writer.transport.abort()


async def ask_all(node: RunningNode, rounds: int) -> None:
    """Ask for a page, a list and a probe again and again; every one must be answered well."""
    async with httpx.AsyncClient(base_url=node.url, timeout=30) as client:
        for _ in range(rounds):
            for path in ("/", "/federation/plugins", "/livez", "/federation/activity.atom"):
                assert (await client.get(path)).status_code == 200, path


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0.2)


async def drip(pair: Pair, begin: bytes, piece: bytes) -> None:
    """Send a little every second until the node has enough of it."""
    reader, writer = pair
    writer.write(begin)
    with suppress(OSError):
        while not reader.at_eof():
            writer.write(piece)
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await reader.read(1024)


@pytest.mark.timeout(300)
async def test_200_slow_clients_hold_up_nobody_and_are_let_go(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node, connect(node, SLOW) as slow:
        begin = b"GET /federation/plugins HTTP/1.1\r\nHost: x\r\n"
        dripping = [asyncio.create_task(drip(pair, begin, b"X-More: a\r\n")) for pair in slow]
        await ask_all(node, 20)
        async with asyncio.timeout(HEAD_S + PATIENCE_S):
            await asyncio.gather(*dripping)
        assert all(reader.at_eof() or reader.exception() for reader, _ in slow)

        async def let_go() -> bool:
            return open_files(node.process.pid) < SLOW

        await until(let_go)
        await ask_all(node, 1)


async def listen(pair: Pair) -> asyncio.StreamReader:
    """Begin to follow the events."""
    reader, writer = pair
    writer.write(b"GET /federation/events HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    while not (await reader.readline()).startswith(b"retry:"):
        pass
    return reader


async def hear(reader: asyncio.StreamReader, word: bytes) -> None:
    while word not in await reader.readline():
        assert not reader.at_eof()


@pytest.mark.timeout(300)
async def test_a_thousand_streams_cost_little_and_all_hear(tmp_path: Path) -> None:
    async with serving(tmp_path / "node") as node, FakePublisher("alice") as publisher:
        await ask_all(node, 20)
        before = resident_kib(node.process.pid)
        async with connect(node, STREAMS) as pairs, asyncio.timeout(PATIENCE_S):
            readers = [await listen(pair) for pair in pairs]
            await ask_all(node, 20)
            grown = resident_kib(node.process.pid) - before
            print(f"{STREAMS} streams: {grown / STREAMS:.0f} KiB each")
            assert grown / STREAMS < 100
            # One more is too many, and is told so.
            async with httpx.AsyncClient(base_url=node.url, timeout=30) as client:
                assert (await client.get("/federation/events")).status_code == 503
            async with node.async_client() as http:
                await Api(http).add(publisher)
            await asyncio.gather(*(hear(reader, b"source_added") for reader in readers))

        async def gone() -> bool:
            return open_files(node.process.pid) < FEW_FILES

        await until(gone)
        async with connect(node, 1) as [pair]:
            await listen(pair)
