"""What stands between a node and its bucket: passes bytes on, unless told to be away, slow, broken or to lie."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_PIECE = 64 * 1024
_SLOW_DOWN = b"<Error><Code>SlowDown</Code></Error>"
_BROKEN = (
    f"HTTP/1.1 503 Service Unavailable\r\nContent-Length: {len(_SLOW_DOWN)}\r\nConnection: close\r\n\r\n"
).encode() + _SLOW_DOWN


@dataclass
class BucketProxy:
    """Listens at ``port``, passes on to ``target``, both on 127.0.0.1.

    ``delay_s`` is waited before each piece in either direction; ``broken`` connections are answered with 503, all of
    them where it is negative; ``lies`` maps bytes that come back to others of the same length.
    """

    target: int
    port: int = 0
    away: bool = False
    delay_s: float = 0.0
    broken: int = 0
    lies: dict[bytes, bytes] = field(default_factory=dict)
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Break off every connection there is, so that what was told holds from now on."""
        for writer in list(self._open):
            writer.transport.abort()

    def tell(self, **changes: object) -> None:
        """Change how it behaves, from now on."""
        for name, value in changes.items():
            setattr(self, name, value)
        self.cut()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            if self.away:
                writer.transport.abort()
            elif self.broken:
                self.broken -= 1
                await reader.readuntil(b"\r\n\r\n")
                writer.write(_BROKEN)
                await writer.drain()
            else:
                await self._pass_on(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, there = await asyncio.open_connection("127.0.0.1", self.target)
        self._open.add(there)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._copy(reader, there, {}))
                group.create_task(self._copy(back, writer, self.lies))
        finally:
            self._open.discard(there)
            there.close()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lies: dict[bytes, bytes]) -> None:
        with suppress(OSError):
            while piece := await reader.read(_PIECE):
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                for true, lie in lies.items():
                    piece = piece.replace(true, lie)
                writer.write(piece)
                await writer.drain()
        writer.close()


@asynccontextmanager
async def run_bucket_proxy(target: int) -> AsyncIterator[BucketProxy]:
    """Listen until the block ends."""
    proxy = BucketProxy(target)
    server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        # What was passed on hears of it.
        while proxy._open:
            await asyncio.sleep(0.01)
