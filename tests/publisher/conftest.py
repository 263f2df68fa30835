"""A publisher made and served as the command does it, over real HTTP."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import uvicorn

from pfn.publisher.documents import Publisher
from pfn.publisher.folder import PublisherFolder, create_folder
from pfn.publisher.library import Library
from pfn.publisher.profile import Profile
from pfn.publisher.server import build_app


@dataclass
class Served:
    url: str
    folder: PublisherFolder


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def made(tmp_path: Path) -> PublisherFolder:
    profile = Profile(username="alice", member_since=date(2024, 2, 29), website="https://alice.example", github="al")
    return create_folder(tmp_path / "publisher", profile)


@pytest.fixture
def serve(made: PublisherFolder) -> Serve:
    @asynccontextmanager
    async def start(*, look_every_s: float = 0, prefix: str = "") -> AsyncIterator[Served]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}{prefix}"
            app = build_app(Publisher(made.profile, made.key, url), Library(made.path, look_every_s=look_every_s))
            config = uvicorn.Config(app, log_config=None, lifespan="off")
            config.load()
            # Started and ended by hand: uvicorn's own loop looks only ten times a second whether it should end.
            server = uvicorn.Server(config)
            server.lifespan = config.lifespan_class(config)
            await server.startup(sockets=[listener])
            try:
                yield Served(url, made)
            finally:
                for running in server.servers:
                    running.close()
                for connection in list(server.server_state.connections):
                    connection.shutdown()

    return start
