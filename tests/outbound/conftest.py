import pytest
from tests.outbound.raw_server import RawServer


@pytest.fixture
async def server():
    async with RawServer() as running:
        yield running
