"""What stands between a site and its node: passes everything on, unless told to lie, to be silent or to be dead."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aiohttp import web

PREFERRED_PORT = 8080
_HOP = {"content-length", "transfer-encoding", "connection", "content-encoding"}


@dataclass
class Passed:
    """An answer on its way; who changes it changes what the site gets."""

    path: str
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Relay:
    """Listens at ``url`` and passes on to ``target``. ``requests`` are the paths that were asked, in order."""

    url: str
    port: int
    target: str = ""
    requests: list[str] = field(default_factory=list)
    lie: Callable[[Passed], None] | None = None
    silent: bool = False
    broken: bool = False

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request.path)
        if self.silent:
            await asyncio.sleep(3600)
        if self.broken:
            return web.Response(status=502, text="<h1>Bad gateway</h1>")
        kept = {name: value for name, value in request.headers.items() if name.lower() not in _HOP | {"host"}}
        async with httpx.AsyncClient(timeout=60) as client:
            answer = await client.request(
                request.method, self.target + request.raw_path, headers=kept, content=await request.read()
            )
        # Names without a shape of their own, as PHP reads them.
        headers = {name: value for name, value in answer.headers.items() if name not in _HOP}
        passed = Passed(request.path, answer.status_code, headers, answer.content)
        if self.lie is not None:
            self.lie(passed)
        return web.Response(status=passed.status, headers=passed.headers, body=passed.body)


@asynccontextmanager
async def run_relay(port: int = 0) -> AsyncIterator[Relay]:
    """Listen until the block ends; say where to pass on to when that is known."""
    with _listen(port) as listener:
        number = listener.getsockname()[1]
        relay = Relay(f"http://127.0.0.1:{number}", number)
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", relay._answer)
        runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        try:
            yield relay
        finally:
            await runner.cleanup()


def _listen(port: int) -> socket.socket:
    """Listen on the port, or on a free one where it is taken."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))
