"""One Chromium and one node with a history, each one per test process; and people who visit the node, each their way.

All of it lives in one event loop, that of the session: a test module here says so in its ``pytestmark``.
"""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright
from scripts.lived_node import ServedNode, open_lived_node
from tests.web.browser.visitor import CHROMIUM, PHONE, WIDE, Visitor, sign_in, visit

from pfn.testing.publisher_v2 import FakePublisherV2

WAYS: dict[str, dict[str, Any]] = {
    "wide": {"size": WIDE},
    "phone": {"size": PHONE},
    "without scripts": {"scripts": False},
}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    """The browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lived(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServedNode]:
    """A node that has lived for nine days."""
    async with open_lived_node(tmp_path_factory.mktemp("lived"), days=9) as node:
        yield node


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def signed_in(chromium: Browser, lived: ServedNode) -> Any:
    """The cookies of its operator."""
    return await sign_in(chromium, lived.address, lived.key)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, Any]:
    """How somebody visits."""
    return WAYS[request.param]


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(chromium: Browser, lived: ServedNode, way: dict[str, Any]) -> AsyncIterator[Visitor]:
    """Somebody who is not signed in."""
    async with visit(chromium, lived.address, **way) as visitor:
        yield visitor


@pytest_asyncio.fixture(loop_scope="session")
async def operator(chromium: Browser, lived: ServedNode, signed_in: Any, way: dict[str, Any]) -> AsyncIterator[Visitor]:
    """The operator, signed in."""
    async with visit(chromium, lived.address, state=signed_in, **way) as visitor:
        yield visitor


@pytest_asyncio.fixture(loop_scope="session")
async def publisher(lived: ServedNode) -> AsyncIterator[FakePublisherV2]:
    """A publisher of three plugins that the node has not heard of."""
    async with FakePublisherV2("harbour", now=int(lived.clock())) as publisher:
        publisher.add_plugin("tide-table", "1.0.0", description="When the water comes.", tags=("sea",))
        publisher.add_plugin("ship-log", "2.1.0", description="What was seen on the way.", tags=("sea", "diary"))
        publisher.add_plugin("rope-works", "0.4.0", description="Knots.", tags=("craft",))
        yield publisher
