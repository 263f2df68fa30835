"""Two nodes' worth of connections to one database."""

from collections.abc import AsyncIterator

import pytest

from pfn.storage.database import Database


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two databases that know nothing of each other but have the same rows, as two processes have."""
    nodes = Database(database_url), Database(database_url)
    yield nodes
    for node in nodes:
        await node.close()
