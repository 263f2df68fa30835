"""Nodes that speak to each other: whole applications with real HTTP on loopback, in the loop and time of the test."""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from tests.support.rows import own_rows
from tests.support.site import Time

from pfn.app import Prepared, build_app, database_url, prepare
from pfn.services.access import hash_master_key
from pfn.services.node import Services
from pfn.settings import Settings
from pfn.storage.database import Database


class _Server(uvicorn.Server):
    """Leaves signals to the test."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@dataclass(frozen=True, slots=True)
class ServedNode:
    """A node that answers at ``url``.

    ``http`` carries its master key, ``services`` are its use cases, ``database`` leads to its rows by another door.
    """

    url: str
    data: Path
    key: str
    clock: Time
    prepared: Prepared
    services: Services
    database: Database
    http: httpx.AsyncClient

    async def post(self, path: str, **body: Any) -> httpx.Response:
        """POST to /federation/PATH."""
        return await self.http.post(f"/federation/{path}", json=body)

    async def get(self, path: str, **query: Any) -> Any:
        """GET /federation/PATH and give the JSON of a good answer."""
        answer = await self.http.get(f"/federation/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def actions(self) -> list[str]:
        """Give what happened, oldest first."""
        page = await self.get("activity", limit=200)
        return [row["details"]["action"] for row in reversed(page["activities"])]


@asynccontextmanager
async def serve_node(
    data: Path, *, clock: Time | None = None, port: int = 0, **settings: Any
) -> AsyncIterator[ServedNode]:
    """Serve a node until the block ends; nothing works by itself and nothing is limited unless asked for.

    With the ``data`` and the port of one that was served before, it is that node again.
    """
    clock = clock or Time()
    key = secrets.token_urlsafe(32)
    with socket.create_server(("127.0.0.1", port)) as listener:
        chosen = {"work": False, "allow_loopback": True, "address_limit": 0, "key_limit": 0, "bad_key_limit": 0}
        given = Settings(data=data, port=listener.getsockname()[1], **(own_rows(data) | chosen | settings))
        prepared = replace(prepare(given), master_hash=hash_master_key(key))
        app = build_app(prepared, clock=clock)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            proxy_headers=False,
            # By default as long as the clients': on a busy machine one asks while the server hangs up on it.
            timeout_keep_alive=60,
            timeout_graceful_shutdown=5,
            lifespan="on",
        )
        server = _Server(config)
        database = Database(database_url(given))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            while not server.started:
                assert not serving.done(), "the node did not start"
                await asyncio.sleep(0.005)
            headers = {"Authorization": f"Bearer {key}"}
            # The address others know it by may be one that only they can resolve.
            here = f"http://127.0.0.1:{given.port}"
            async with httpx.AsyncClient(base_url=here, headers=headers, timeout=60) as http:
                yield ServedNode(given.address, data, key, clock, prepared, app.state.services, database, http)
        finally:
            await database.close()
            server.should_exit = True
            await serving


async def make_peers(first: ServedNode, second: ServedNode, **terms: Any) -> tuple[int, int]:
    """Make two nodes each other's peers; give the id of the second at the first, and of the first at the second."""
    added = await first.post("peers", url=second.url, **terms)
    assert added.status_code == 201, added.text
    (proposed,) = [peer for peer in await second.get("peers") if peer["url"] == first.url]
    if proposed["state"] != "active":
        accepted = await second.post(f"peers/{proposed['id']}/accept", **terms)
        assert accepted.status_code == 200, accepted.text
    return added.json()["peer_id"], proposed["id"]
