"""A publisher in the test's own loop, and a client that drives the node's API."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from tests.support.node import RunningNode

from pfn.testing.publisher import FakePublisher


class Api:
    """A node's API with an admin key, as a few verbs."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, name: str, **body: Any) -> httpx.Response:
        """POST to /federation/NAME."""
        return await self.http.post(f"/federation/{name}", json=body)

    async def get(self, name: str, **query: Any) -> Any:
        """GET /federation/NAME and give the JSON of a good answer."""
        answer = await self.http.get(f"/federation/{name}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def add(self, publisher: FakePublisher, **more: Any) -> str:
        """Register a publisher, wait for its first verification, give the source's id."""
        answer = await self.post(
            "add-source",
            **{
                "instance_url": publisher.url,
                "username": publisher.username,
                "public_key": publisher.public_key_pem,
                **more,
            },
        )
        assert answer.status_code == 200, answer.text
        source_id: str = answer.json()["source_id"]
        while not (await self.get("source-status", sourceId=source_id))["verifications"]:
            await asyncio.sleep(0.02)
        return source_id

    async def sync(self, source_id: str, *, recheck: bool = False) -> dict[str, Any]:
        """Sync a source and give the finished sync."""
        answer = await self.post("sync", sourceId=source_id, recheck=recheck)
        assert answer.status_code == 202, answer.text
        sync: dict[str, Any] = answer.json()["sync"]
        while sync["state"] == "running":
            await asyncio.sleep(0.02)
            sync = await self.get(f"syncs/{sync['id']}")
        return sync

    async def failures(self, source_id: str) -> dict[str, dict[str, Any]]:
        """Give a source's failures by plugin; the source's own is under the empty name."""
        status = await self.get("source-status", sourceId=source_id)
        return {failure["plugin_id"] or "": failure for failure in status["failures"]}

    async def versions(self, source_id: str) -> dict[str, list[str]]:
        """Give what is offered of a source: versions by plugin, newest first."""
        page = await self.get("plugins", source=source_id)
        return {plugin["plugin_id"]: [one["version"] for one in plugin["versions"]] for plugin in page["plugins"]}


@pytest.fixture
async def api(node: RunningNode) -> AsyncIterator[Api]:
    """The module's node, with an admin key."""
    async with node.async_client() as http:
        yield Api(http)


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    """A publisher with a name of its own."""
    async with FakePublisher(f"author-{secrets.token_hex(4)}") as publisher:
        yield publisher
