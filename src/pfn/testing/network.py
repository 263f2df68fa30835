"""A network between nodes that fails on command: every node reaches every other by a link of its own, from a seed.

A node goes by one name, ``http://NAME.localhost:PORT``, which each other node resolves (``lookup``) to a loopback
address that only it uses; a TCP proxy listens there. So who asks is known by the address that was asked, and two nodes
can be kept apart while a third speaks to both. A link delays each piece of data, hangs up after some bytes, or resets
what is open and whoever comes, on command; how long and after how many bytes is drawn per link from the seed.

It forwards bytes and knows no HTTP: lies are for ``pfn.testing.peer``. It needs a system on which all of 127.0.0.0/8 is
loopback without further ado, as on Linux.
"""

import asyncio
import random
import socket
import struct
from collections.abc import Iterable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

_CHUNK: Final = 16_384
# Hanging up comes within so many bytes: somewhere in a head, a document or a zip.
_MOST_BEFORE_DROP: Final = 8_192
_RESET: Final = struct.pack("ii", 1, 0)


class Link:
    """The way of one node to another; connections to ``address`` go to the port ``target``, None for nobody.

    ``delay_s`` is the longest that a piece of data is held, ``drop`` the share of connections that are hung up on.
    """

    def __init__(self, address: str, seed: str) -> None:
        self.address = address
        self.delay_s = 0.0
        self.drop = 0.0
        self.target: int | None = None
        self._whole = True
        self._random = random.Random(seed)  # noqa: S311  # a script, no secret
        self._open_ones: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> int:
        """Begin to take connections; give the port, a free one for 0."""
        self._server = await asyncio.start_server(self._accept, self.address, port)
        listening: int = self._server.sockets[0].getsockname()[1]
        return listening

    async def close(self) -> None:
        """Reset what is open and take no more."""
        self._server.close()
        await self.reset()

    @property
    def is_cut(self) -> bool:
        """Whether nothing comes through until it is mended."""
        return not self._whole

    async def cut(self) -> None:
        """Reset what is open, and whoever comes from now on."""
        self._whole = False
        await self.reset()

    def mend(self) -> None:
        """Let everything through, at once and whole."""
        self._whole, self.delay_s, self.drop = True, 0.0, 0.0

    async def reset(self) -> None:
        """Hang up on all that is open."""
        for connection in self._open_ones:
            connection.cancel()
        await asyncio.gather(*self._open_ones, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open_ones.add(task)
        try:
            with suppress(OSError):
                await self._serve(reader, writer)
        except asyncio.CancelledError:
            # Only ``reset`` cancels; asyncio's streams would report it as an accident.
            pass
        finally:
            self._open_ones.discard(task)
            _abort(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._whole or self.target is None:
            return
        allowed = self._random.randrange(_MOST_BEFORE_DROP) if self._random.random() < self.drop else None
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            ways = (self._forward(reader, far_writer, None), self._forward(far_reader, writer, allowed))
            tasks = [asyncio.create_task(way) for way in ways]
            try:
                # The first end ends both: half-open connections are nothing that HTTP/1.1 clients make use of.
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            _abort(far_writer)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, allowed: int | None) -> None:
        while data := await reader.read(_CHUNK):
            if self.delay_s:
                await asyncio.sleep(self._random.uniform(0, self.delay_s))
            if allowed is not None:
                data, allowed = data[:allowed], allowed - len(data)
            writer.write(data)
            await writer.drain()
            if allowed is not None and allowed <= 0:
                return


class Network:
    """Links between all pairs of ``names``, listening while it is entered.

    Where a node itself listens is told by ``place``, each time it starts; until then, and after ``remove``, whoever
    asks for it is reset.
    """

    def __init__(self, seed: int, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._links = {
            (viewer, target): Link(f"127.77.{i + 1}.{j + 1}", f"{seed} {viewer} {target}")
            for i, viewer in enumerate(names)
            for j, target in enumerate(names)
            if viewer != target
        }
        self._ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        for (_, target), link in self._links.items():
            self._ports[target] = await link.listen(self._ports.get(target, 0))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for link in self._links.values():
            await link.close()

    def url(self, name: str) -> str:
        """Give the address a node goes by."""
        return f"http://{name}.localhost:{self._ports[name]}"

    def link(self, viewer: str, target: str) -> Link:
        """Give the way of one node to another."""
        return self._links[viewer, target]

    async def lookup(self, viewer: str, host: str) -> Sequence[str]:
        """Resolve a host as one node does. Raises OSError for what is no other node."""
        link = self._links.get((viewer, host.removesuffix(".localhost")))
        if link is None:
            raise OSError(f"{host} is no node that {viewer} could reach")
        return [link.address]

    def place(self, name: str, port: int) -> None:
        """Say at which port of 127.0.0.1 a node listens from now on."""
        for link in self._to(name):
            link.target = port

    async def remove(self, name: str) -> None:
        """Say that a node listens no more; what is open to it ends."""
        for link in self._to(name):
            link.target = None
            await link.reset()

    async def part(self, first: str, second: str) -> None:
        """Keep two nodes apart, both ways."""
        await self._links[first, second].cut()
        await self._links[second, first].cut()

    async def partition(self, *sides: Iterable[str]) -> None:
        """Keep every node of one side apart from those of the others; who is on no side speaks to all."""
        side_of = {name: number for number, side in enumerate(sides) for name in side}
        for (viewer, target), link in self._links.items():
            if viewer in side_of and target in side_of and side_of[viewer] != side_of[target]:
                await link.cut()

    def disturb(self, first: str, second: str, *, delay_s: float = 0.0, drop: float = 0.0) -> None:
        """Delay what two nodes send each other by up to ``delay_s``, and hang up on a share of connections."""
        for link in (self._links[first, second], self._links[second, first]):
            link.delay_s, link.drop = delay_s, drop

    def heal(self) -> None:
        """Mend every link."""
        for link in self._links.values():
            link.mend()

    def _to(self, name: str) -> list[Link]:
        return [link for (_, target), link in self._links.items() if target == name]


def _abort(writer: asyncio.StreamWriter) -> None:
    made = writer.get_extra_info("socket")
    if made is not None and not writer.is_closing():
        # Closing without lingering is a reset: what was cut must not look like an answer's proper end.
        with suppress(OSError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
