"""``pfn peer proposals``, ``approve``, ``refuse`` and ``sync``, in a process of its own against a real node."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.mesh import befriend, follow, versions
from tests.support.network import ServedNode, serve_node
from tests.support.node import PFN

from pfn.testing.publisher_v2 import FakePublisherV2


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[tuple[ServedNode, ServedNode]]:
    async with serve_node(tmp_path / "a") as a, serve_node(tmp_path / "b") as b:
        yield a, b


async def run(node: ServedNode, *arguments: str, code: int = 0) -> str:
    command = [PFN, "peer", *arguments, "--node", node.url, "--key", node.key]
    environment = {**os.environ, "COLUMNS": "300"}
    ended = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == code, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


async def test_a_proposal_is_approved_and_taken(pair: tuple[ServedNode, ServedNode]):
    a, b = pair
    async with FakePublisherV2() as publisher, FakePublisherV2("bob") as unwanted:
        publisher.add_plugin("one", "1.0")
        source, other = await follow(a, publisher), await follow(a, unwanted)
        peer = await befriend(b, a)
        assert "were gone through" in await run(b, "sync", str(peer))
        listed = json.loads(await run(b, "proposals", "--json"))
        assert {row["source"] for row in listed} == {source, other}
        assert source in await run(b, "proposals")
        assert "is registered with the key SHA256:" in await run(b, "approve", source)
        assert "is refused" in await run(b, "refuse", other)
        assert "No source waits for an answer." in await run(b, "proposals")
        assert "proposal_unknown" in await run(b, "approve", other, code=1)
        answer = json.loads(await run(b, "sync", str(peer), "--json"))
        assert (answer["more"], answer["missing"]) == (False, 0)
    assert await versions(b, source) == {"one": ["1.0"]}
    assert "peer_unknown" in await run(b, "sync", "99", code=1)
