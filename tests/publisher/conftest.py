"""Publishers made as the command makes them: on disk, and served over real HTTP."""

import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
import uvicorn

from pfn.protocol.ed25519 import SigningKey
from pfn.publisher.add import add_zips
from pfn.publisher.creation import create_publisher
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.keys import Role, key_file, read_key
from pfn.publisher.profile import Profile
from pfn.publisher.server import build_app
from pfn.publisher.shelf import Shelf
from pfn.testing.plugin import plugin_zip

NOW = 1_800_000_000
DAY = 24 * 3600
URL = "https://plugins.example.com"


def profile(url: str = URL) -> Profile:
    return Profile(
        username="alice",
        public_url=url,
        member_since=date(2024, 2, 29),
        website="https://alice.example",
        github="al",
    )


def put_zip(folder: PublisherFolder, slug: str, version: str, *, now: int = NOW, **facts: object) -> bytes:
    """Publish a made-up plugin and give its zip."""
    content = plugin_zip(slug, version, **facts)  # type: ignore[arg-type]
    path = folder.path.parent / f"{slug}.zip"
    path.write_bytes(content)
    added = add_zips(folder, [path], now=now)
    assert not added.refused, added.refused
    return content


def own_key(folder: PublisherFolder, role: Role, version: int = 1) -> SigningKey:
    return read_key(key_file(folder.keys, role, version))


@pytest.fixture
def made(tmp_path: Path) -> PublisherFolder:
    return create_publisher(tmp_path / "publisher", profile(), now=NOW).folder


@dataclass
class Served:
    url: str
    folder: PublisherFolder

    def put(self, slug: str, version: str, **facts: object) -> bytes:
        return put_zip(self.folder, slug, version, now=int(time.time()), **facts)

    @property
    def v1_key(self) -> SigningKey:
        return own_key(self.folder, Role.V1)


Serve = Callable[..., AbstractAsyncContextManager[Served]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    @asynccontextmanager
    async def start(*, prefix: str = "") -> AsyncIterator[Served]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}{prefix}"
            folder = create_publisher(tmp_path / "publisher", profile(url), now=int(time.time())).folder
            config = uvicorn.Config(build_app(Shelf(folder)), log_config=None, lifespan="off")
            config.load()
            # Started and ended by hand: uvicorn's own loop looks only ten times a second whether it should end.
            server = uvicorn.Server(config)
            server.lifespan = config.lifespan_class(config)
            await server.startup(sockets=[listener])
            try:
                yield Served(url, folder)
            finally:
                for running in server.servers:
                    running.close()
                for connection in list(server.server_state.connections):
                    connection.shutdown()

    return start
