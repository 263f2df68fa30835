"""Listen on an address and serve an application there, for the node and the publisher alike."""

import socket

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


def serve_app(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until a signal ends it; requests under way are finished first."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=10,
    )
    uvicorn.Server(config).run(sockets=[listener])
