"""A first sync of 10,000 plugins in a real node: bounded in memory, told as it goes, and in nobody's way."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from scripts.load import resident_kib
from tests.support.node import run_node

from pfn.testing.swarm import Kind, PublisherSwarm

pytestmark = [
    pytest.mark.slow,
    pytest.mark.grown,
    pytest.mark.timeout(1000),
    pytest.mark.skipif(sys.platform != "linux", reason="it reads /proc"),
]

PLUGINS = 10_000
# Of the node with its worker's process and its judge's, beyond what it takes when it has just started.
GROWTH_KIB = 420 * 1024
LONGEST_S = 900.0
PATIENCE_S = 10.0


async def test_ten_thousand_plugins_arrive_while_others_are_answered(tmp_path: Path) -> None:
    running = run_node(tmp_path / "node")
    node = await asyncio.to_thread(running.__enter__)
    try:
        async with PublisherSwarm(1, PLUGINS) as swarm, node.async_client() as api, node.async_client("") as public:
            publisher = swarm.members[0].publisher
            key = publisher.shown_key.pem
            registered = {"instance_url": publisher.url, "username": publisher.username, "public_key": key}
            source_id = (await api.post("/federation/add-source", json=registered)).json()["source_id"]
            verified = await api.post("/federation/verify-source", json={"sourceId": source_id})
            assert verified.json()["success"] is True
            before = resident_kib(node.process.pid)
            seen, waits, most = await sync(api, public, source_id, node.process.pid)

            assert seen[-1]["state"] == "finished", seen[-1]
            assert (seen[-1]["mirrored"], seen[-1]["failed"]) == (PLUGINS, 0)
            # Progress is told: it grows, in many steps, and never goes back.
            done = [one["done"] for one in seen]
            assert done == sorted(done)
            assert len(set(done)) >= 10, done
            assert {one["total"] for one in seen if one["done"]} == {PLUGINS}
            assert most - before <= GROWTH_KIB, (before, most)
            # Nothing heavy ran on the event loop: every answer came, none of them late.
            assert max(waits) < PATIENCE_S, sorted(waits)[-5:]
            asked = swarm.members[0].traffic.requests
            assert (asked[Kind.CATALOGUE], asked[Kind.ZIP]) == (1, PLUGINS)
    finally:
        await asyncio.to_thread(running.__exit__, None, None, None)


async def sync(
    api: httpx.AsyncClient, public: httpx.AsyncClient, source_id: str, pid: int
) -> tuple[list[dict[str, Any]], list[float], int]:
    """Have everything mirrored; give what was told of it, how long a probe and a list took, and the most memory."""
    subscribing = asyncio.create_task(
        api.post("/federation/subscribe", json={"sourceId": source_id, "filters": {}}, timeout=LONGEST_S)
    )
    seen: list[dict[str, Any]] = []
    waits: list[float] = []
    most = 0
    async with asyncio.timeout(LONGEST_S):
        while not subscribing.done():
            for path in ("/livez", "/readyz", "/federation/plugins?limit=5"):
                began = time.monotonic()
                assert (await public.get(path)).status_code == 200, path
                waits.append(time.monotonic() - began)
            seen += await list_syncs(api, source_id)
            most = max(most, resident_kib(pid))
            await asyncio.sleep(0.3)
    assert (await subscribing).status_code == 200
    return [*seen, *await list_syncs(api, source_id)], waits, most


async def list_syncs(api: httpx.AsyncClient, source_id: str) -> list[dict[str, Any]]:
    """Give the newest sync of a source, if there was one."""
    status = (await api.get("/federation/source-status", params={"sourceId": source_id})).json()
    newest: list[dict[str, Any]] = status["syncs"][:1]
    return newest
