"""Browsers of an operator, a subscriber and a stranger, on the module's node; and a publisher to register.

``held`` is a node of the test's own, in its process, whose time the test holds.
"""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from tests.support.node import RunningNode
from tests.support.rows import own_rows
from tests.threats.conftest import Node, Time
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser

from pfn.app import build_app, prepare
from pfn.services.access import hash_master_key
from pfn.services.node import Services
from pfn.settings import Settings
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2


@pytest.fixture
async def api(node: RunningNode) -> AsyncIterator[Api]:
    """The node's API with an admin key."""
    async with node.async_client() as http:
        yield Api(http)


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    """A publisher with a name of its own."""
    async with FakePublisher(f"author-{secrets.token_hex(4)}") as publisher:
        yield publisher


@pytest.fixture
async def stranger(node: RunningNode) -> AsyncIterator[Browser]:
    """A browser that is not signed in."""
    browser = Browser(node.url)
    yield browser
    await browser.http.aclose()


@pytest.fixture
async def operator(node: RunningNode) -> AsyncIterator[Browser]:
    """A browser signed in with the admin key."""
    browser = Browser(node.url)
    await browser.sign_in(node.admin_key)
    yield browser
    await browser.http.aclose()


@pytest.fixture
async def subscriber(node: RunningNode) -> AsyncIterator[Browser]:
    """A browser signed in with a subscriber's key."""
    browser = Browser(node.url)
    await browser.sign_in(node.create_key("subscriber", owner="agency-blue")["key"])
    yield browser
    await browser.http.aclose()


@dataclass(frozen=True, slots=True)
class Held:
    """A node whose time stands still: its API, browsers of its operator and of a stranger, the operator's ``key``.

    ``services`` are its use cases, for what no request asks for.
    """

    key: str
    api: Node
    operator: Browser
    stranger: Browser
    clock: Time
    services: Services

    async def register(self, publisher: FakePublisher) -> str:
        """Add a source, subscribe to everything of it, and give its id."""
        source_id = await self.api.add(publisher)
        answer = await self.api.post("subscribe", sourceId=source_id)
        assert answer.status_code == 200, answer.text
        return source_id


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[Held]:
    """A node of the test's own."""
    key = secrets.token_urlsafe(32)
    clock = Time()
    settings = Settings(
        data=tmp_path / "node",
        allow_loopback=True,
        public_url="http://node.test",
        work=False,
        **own_rows(tmp_path / "node"),
    )
    app = build_app(replace(prepare(settings), master_hash=hash_master_key(key)), clock=clock)
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=transport, base_url=settings.address, headers={"Authorization": f"Bearer {key}"}, timeout=60
        ) as http,
    ):
        operator, stranger = (Browser(settings.address, transport) for _ in range(2))
        await operator.sign_in(key)
        yield Held(key, Node(http, settings.data), operator, stranger, clock, app.state.services)
        await operator.http.aclose()
        await stranger.http.aclose()


@pytest.fixture
async def signing(held: Held) -> AsyncIterator[FakePublisherV2]:
    """A publisher of signed documents, in the time of the node that is held."""
    async with FakePublisherV2("alice", now=int(held.clock.now)) as publisher:
        yield publisher
