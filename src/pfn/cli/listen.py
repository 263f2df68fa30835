"""Listen on an address and serve an application there, for the node and the publisher alike."""

import asyncio
import resource
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from importlib.util import find_spec
from typing import Literal

import uvicorn
from starlette.types import ASGIApp

from pfn.protocol.errors import Code, PfnError


def open_listener(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes any free one. Raises PfnError (``config_invalid``) where that cannot be."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family, backlog=2048)
    except OSError as error:
        raise PfnError(
            Code.CONFIG_INVALID,
            f"Cannot listen on {host} port {port}: {error.strerror}. Choose others with --host and --port; "
            "port 0 is any free one.",
        ) from error


class _Server(uvicorn.Server):
    """Tells the application that it stops before waiting for its answers; the protocol would tell it afterwards."""

    def __init__(self, config: uvicorn.Config, on_stop: Callable[[], Awaitable[None]] | None) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._on_stop is not None:
            await self._on_stop()
        await super().shutdown(sockets)


def _connection() -> type[asyncio.Protocol] | Literal["auto"]:
    """Give the kind of connection that is patient within bounds; it stands on httptools, which is for CPython alone."""
    if find_spec("httptools") is None:
        return "auto"
    from pfn.cli.connection import PatientConnection

    return PatientConnection


def _allow_files() -> None:
    """Take as many connections as the system lets this process have: each is an open file, and so is each stream."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def serve_app(app: ASGIApp, listener: socket.socket, *, on_stop: Callable[[], Awaitable[None]] | None = None) -> None:
    """Serve until a signal ends it; requests under way are finished first.

    Answers that would never end are for ``on_stop`` to end.
    """
    _allow_files()
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        # Longer than clients keep an idle connection, or some would send into one that is just being closed.
        timeout_keep_alive=75,
        http=_connection(),
        timeout_graceful_shutdown=10,
    )
    _Server(config, on_stop).run(sockets=[listener])
