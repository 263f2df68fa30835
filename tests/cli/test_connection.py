"""Who is slow to ask is let go, and nobody else: heads and bodies byte by byte, heads without end, kept connections."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pfn.cli import connection
from pfn.cli.connection import PatientConnection

PATIENCE_S = 30.0
ASK = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def echo(request: Request) -> Response:
    return PlainTextResponse(f"{len(await request.body())} bytes")


async def refuse(request: Request) -> Response:
    del request
    return PlainTextResponse("no", 413)


async def ponder(request: Request) -> Response:
    del request
    await asyncio.sleep(1.3)
    return PlainTextResponse("well")


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    monkeypatch.setattr(connection, "HEAD_S", 1.0)
    monkeypatch.setattr(connection, "BODY_S", 1.0)
    monkeypatch.setattr(connection, "HEAD_BYTES", 4096)
    routes = [
        Route("/", echo, methods=["GET", "POST"]),
        Route("/refuse", refuse, methods=["POST"]),
        Route("/ponder", ponder),
    ]
    config = uvicorn.Config(
        Starlette(routes=routes), port=0, log_config=None, lifespan="off", http=PatientConnection, ws="none"
    )
    server = Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connect(port: int) -> AsyncIterator[Pair]:
    async with asyncio.timeout(PATIENCE_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield reader, writer
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    return int(head.split()[1]), await reader.readexactly(length)


async def drip(pair: Pair, begin: bytes, more: bytes) -> bytes:
    """Send a piece often enough to look alive, until the other side has enough; give what it said."""
    reader, writer = pair
    writer.write(begin)
    said = b""
    with suppress(OSError):
        while not reader.at_eof():
            writer.write(more)
            await writer.drain()
            with suppress(TimeoutError):
                async with asyncio.timeout(0.05):
                    said += await reader.read(4096)
    return said


@pytest.mark.parametrize(
    ("begin", "more"),
    [
        (b"", b""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n", b"X-A: b\r\n"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ", b"a"),
        (b"", b"\r\n"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
    ids=["nothing", "headers", "a value", "empty lines", "a body", "chunks"],
)
async def test_a_request_that_never_ends_is_not_waited_for(port: int, begin: bytes, more: bytes) -> None:
    async with connect(port) as pair:
        assert await drip(pair, begin, more) == b""


async def test_neither_is_one_after_a_good_one(port: int) -> None:
    for begin, more in ((b"", b"\r\n"), (b"GET / HT", b""), (b"GET / HTTP/1.1\r\n", b"X-A: b\r\n")):
        async with connect(port) as pair:
            reader, writer = pair
            writer.write(ASK)
            assert await read_answer(reader) == (200, b"0 bytes")
            await drip(pair, begin or b"\r\n", more)
            assert reader.at_eof(), begin


async def test_the_rest_of_a_body_nobody_wants_is_not_waited_for(port: int) -> None:
    async with connect(port) as pair:
        said = await drip(pair, b"POST /refuse HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"a")
        assert said.startswith(b"HTTP/1.1 413")


async def test_a_head_without_end_is_refused(port: int) -> None:
    async with connect(port) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
        for _ in range(3):
            await asyncio.sleep(0.02)
            writer.write(b"X-Long: " + b"a" * 4000 + b"\r\n")
            await writer.drain()
        assert (await reader.readline()).startswith(b"HTTP/1.1 431")
        await reader.read()


async def test_whoever_asks_in_time_is_answered(port: int) -> None:
    async with connect(port) as (reader, writer):
        # Slowly, and in time.
        for piece in (b"POST / HTTP/1.1\r\nHo", b"st: x\r\nContent-Le", b"ngth: 6\r\n\r\nabc", b"def"):
            writer.write(piece)
            await asyncio.sleep(0.05)
        assert await read_answer(reader) == (200, b"6 bytes")
        # A pause longer than any patience, between requests, is nobody's fault; nor is an answer that takes its time.
        await asyncio.sleep(1.3)
        writer.write(b"GET /ponder HTTP/1.1\r\nHost: x\r\n\r\n")
        assert await read_answer(reader) == (200, b"well")
        # Two at once.
        writer.write(ASK + b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\n\r\n" + b"a" * 9000)
        assert await read_answer(reader) == (200, b"0 bytes")
        assert await read_answer(reader) == (200, b"9000 bytes")
