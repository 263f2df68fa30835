"""A node in the test's own process, whose time the test holds, and a publisher that misbehaves on command."""

import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.rows import own_rows
from tests.web.api.conftest import Api

from pfn.app import build_app, prepare
from pfn.protocol.errors import Code
from pfn.services.access import hash_master_key
from pfn.settings import Settings
from pfn.testing.publisher_v2 import FakePublisherV2

DAY = 86_400


class Time:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = float(int(time.time()))

    def __call__(self) -> float:
        return self.now

    def pass_days(self, days: float) -> None:
        self.now += days * DAY


class Node(Api):
    """The node's API, with words for what these tests ask again and again."""

    def __init__(self, http: httpx.AsyncClient, data: Path) -> None:
        super().__init__(http)
        self.data = data

    async def register(self, publisher: FakePublisherV2, **more: Any) -> str:
        """Add a source, subscribe to everything of it, and give its id."""
        source_id = await self.add(publisher, **more)
        answer = await self.post("subscribe", sourceId=source_id)
        assert answer.status_code == 200, answer.text
        return source_id

    async def status(self, source_id: str) -> dict[str, Any]:
        found: dict[str, Any] = await self.get("source-status", sourceId=source_id)
        return found

    async def gates(self, source_id: str) -> set[str]:
        return {gate["name"] for gate in (await self.status(source_id))["trust"]["gates"]}

    async def assert_sync_fails(self, source_id: str, code: Code) -> None:
        """Sync and expect the whole source to be refused, with what was mirrored untouched."""
        before = await self.versions(source_id)
        sync = await self.sync(source_id, recheck=True)
        assert (sync["state"], sync["code"]) == ("failed", code.slug), sync
        assert await self.versions(source_id) == before

    async def assert_refused(self, source_id: str, slug: str, code: Code) -> None:
        """Sync and expect one release to be refused, kept apart, and served to nobody."""
        before = await self.versions(source_id)
        sync = await self.sync(source_id)
        assert sync["state"] == "finished", sync
        assert sync["mirrored"] == 0
        assert (await self.failures(source_id))[slug]["code"] == code.slug
        held = [item for item in await self.get("quarantine", sourceId=source_id) if item["plugin_id"] == slug]
        assert [item["code"] for item in held] == [code.slug]
        assert await self.versions(source_id) == before

    async def actions(self, source_id: str) -> list[str]:
        feed = await self.get("activity", source=source_id)
        return [row["details"]["action"] for row in feed["activities"]]


@pytest.fixture
def clock() -> Time:
    """The node's time."""
    return Time()


@pytest.fixture
async def node(tmp_path: Path, clock: Time) -> AsyncIterator[Node]:
    """A node whose operator asks."""
    key = secrets.token_urlsafe(32)
    settings = Settings(
        data=tmp_path / "node",
        **own_rows(tmp_path / "node"),
        allow_loopback=True,
        public_url="http://node.test",
        work=False,
        address_limit=0,
        key_limit=0,
    )
    prepared = replace(prepare(settings), master_hash=hash_master_key(key))
    app = build_app(prepared, clock=clock)
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url=settings.address, headers=headers, timeout=60
        ) as http,
    ):
        yield Node(http, settings.data)


@pytest.fixture
async def publisher(clock: Time) -> AsyncIterator[FakePublisherV2]:
    """A v2 publisher with a server, honest until told otherwise, in the node's time."""
    async with FakePublisherV2("alice", now=int(clock.now)) as publisher:
        yield publisher
