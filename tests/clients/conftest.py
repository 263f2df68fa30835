"""Real clients of a node: one database server and one WordPress for each process, emptied for each test.

A site that is told of a node reaches it through a relay, which can lie as no node of ours would.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.relay import PREFERRED_PORT, Relay, run_relay
from tests.support.site import Time
from tests.support.wordpress_site import WordPress, complaints, run_mariadb, run_wordpress

from pfn.testing.publisher_v2 import FakePublisherV2


@dataclass
class Supply:
    """A publisher, the node that mirrors it, and what stands before the node."""

    publisher: FakePublisherV2
    node: ServedNode
    relay: Relay
    source: str

    async def release(self, slug: str, version: str, **more: Any) -> bytes:
        """Publish a release and have the node mirror it."""
        content = self.publisher.add_plugin(slug, version, **more)
        await sync(self.node, self.source)
        return content

    async def helper(self, *slugs: str, **query: str) -> str:
        """Make the site helper for these plugins."""
        answer = await self.node.http.get("/wordpress/pfn-site.php", params={"plugins": ",".join(slugs), **query})
        assert answer.status_code == 200, answer.text
        return answer.text


@pytest.fixture(scope="session")
def mariadb() -> Iterator[Path]:
    """The socket of a database server."""
    with run_mariadb() as database:
        yield database


@pytest.fixture(scope="session")
def installed_wordpress(mariadb: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordPress]:
    """A WordPress that is installed and served."""
    with run_wordpress(tmp_path_factory.mktemp("site") / "wordpress", mariadb) as site:
        yield site


@pytest.fixture(scope="session")
def own_complaints(installed_wordpress: WordPress) -> set[str]:
    """What WordPress complains of by itself, without any plugin: it is older than the PHP it runs on here."""
    installed_wordpress.put_directory()
    asyncio.run(look_around(installed_wordpress))
    return set(complaints(installed_wordpress.debug_log))


async def look_around(site: WordPress) -> None:
    """Sign in and look at every screen that has to do with plugins."""
    async with httpx.AsyncClient(base_url=site.url, timeout=60) as stranger:
        await stranger.get("/wp-login.php")
    client = await site.sign_in()
    for page in ("index", "plugins", "plugin-install", "plugin-install.php?s=a&tab=search", "update-core"):
        answer = await client.get(f"/wp-admin/{page if '?' in page else f'{page}.php'}")
        assert answer.status_code == 200
        assert "</html>" in answer.text
    await client.aclose()


@pytest.fixture
def wordpress(installed_wordpress: WordPress, own_complaints: set[str]) -> Iterator[WordPress]:
    """A WordPress with no plugins, that remembers nothing; whatever is done to it, nothing complains in its log."""
    installed_wordpress.reset()
    installed_wordpress.put_directory()
    yield installed_wordpress
    found = [line for line in complaints(installed_wordpress.debug_log) if line not in own_complaints]
    assert not found, "\n".join(found)


@pytest.fixture
async def admin(wordpress: WordPress) -> AsyncIterator[httpx.AsyncClient]:
    """The administrator, signed in."""
    client = await wordpress.sign_in()
    yield client
    await client.aclose()


@pytest.fixture
async def supply(tmp_path: Path) -> AsyncIterator[Supply]:
    """A node with one plugin, ``one`` 1.0."""
    async with (
        run_relay(PREFERRED_PORT) as relay,
        FakePublisherV2() as publisher,
        serve_node(tmp_path / "node", clock=Time(), public_url=relay.url) as node,
    ):
        relay.target = str(node.http.base_url).rstrip("/")
        publisher.add_plugin("one", "1.0", name="Plugin One", description="Counts to one.")
        yield Supply(publisher, node, relay, await follow(node, publisher))
