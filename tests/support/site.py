"""A node's application in the test's own process, its settings and its time the test's, asked from any address."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from tests.support.rows import own_rows

from pfn.app import build_app, prepare
from pfn.services.access import hash_master_key
from pfn.settings import Settings


class Time:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now


class Site:
    """A running application; ``key`` is its master key."""

    def __init__(self, app: FastAPI, data: Path, key: str, clock: Time, clients: AsyncExitStack) -> None:
        self.app = app
        self.data = data
        self.key = key
        self.clock = clock
        self._clients = clients

    async def client(self, key: str | None = None, *, address: str = "192.0.2.1") -> httpx.AsyncClient:
        """Give a client that connects from an address, with a key or without."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False, client=(address, 4711))
        made = httpx.AsyncClient(transport=transport, base_url="http://node.test", headers=headers, timeout=30)
        return await self._clients.enter_async_context(made)

    async def create_key(self, **body: Any) -> dict[str, Any]:
        """Make an admin's key with the master key, from an address of its own."""
        master = await self.client(self.key, address="198.51.100.99")
        answer = await master.post("/federation/create-admin-key", json={"description": "test", **body})
        assert answer.status_code == 200, answer.text
        made: dict[str, Any] = answer.json()
        return made


@asynccontextmanager
async def open_site(data: Path, **settings: Any) -> AsyncIterator[Site]:
    """Run a node's application until the block ends; nothing works and nothing is limited unless asked for."""
    chosen = {"work": False, "address_limit": 0, "key_limit": 0, "bad_key_limit": 0, **settings}
    key = secrets.token_urlsafe(32)
    clock = Time()
    prepared = prepare(Settings(data=data, public_url="http://node.test", **own_rows(data), **chosen))
    app = build_app(replace(prepared, master_hash=hash_master_key(key)), clock=clock)
    async with app.router.lifespan_context(app), AsyncExitStack() as clients:
        yield Site(app, data, key, clock, clients)
