"""What is offered under bare slugs, and what a database of before learns when it is opened."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update
from tests.support.mesh import follow
from tests.support.network import ServedNode, serve_node
from tests.support.site import Time

from pfn.domain.offer import PLUGIN, THEME
from pfn.storage.offer import find_offered
from pfn.storage.schema import plugins, slugs
from pfn.testing.publisher import FakePublisher


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node", clock=Time()) as node:
        yield node


async def test_a_database_of_before_is_completed_once(node: ServedNode) -> None:
    async with FakePublisher("alice") as alice:
        alice.add_plugin("calm-gallery", "1.2")
        source = await follow(node, alice)
        database = node.services.slugs._database
        async with database.write() as connection:
            await connection.execute(delete(slugs))
            await connection.execute(update(plugins).values(offer={}))
        async with database.read() as connection:
            assert await find_offered(connection, ["calm-gallery"], PLUGIN) == {}
        assert await node.services.slugs.fill() == 1
        async with database.read() as connection:
            found = await find_offered(connection, ["calm-gallery", "other"], PLUGIN)
            assert await find_offered(connection, ["calm-gallery"], THEME) == {}
        assert found["calm-gallery"].source_id == source
        assert found["calm-gallery"].version == "1.2"
        assert found["calm-gallery"].offer.main_file == "calm-gallery.php"
        assert len(found["calm-gallery"].offer.sha256) == 64
        assert await node.services.slugs.fill() == 0
