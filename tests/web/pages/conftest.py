"""Browsers of an operator, a subscriber and a stranger, on the module's node; and a publisher to register."""

import secrets
from collections.abc import AsyncIterator

import pytest
from tests.support.node import RunningNode
from tests.web.api.conftest import Api
from tests.web.pages.browser import Browser

from pfn.testing.publisher import FakePublisher


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
