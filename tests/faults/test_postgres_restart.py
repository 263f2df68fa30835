"""PostgreSQL dies and comes back under load: answers say so, nothing ends in a fault of ours, the work goes on."""

import asyncio
from collections import Counter
from pathlib import Path

import httpx
import pytest
from tests.support.log import read_log
from tests.support.node import run_node
from tests.support.postgres import run_server
from tests.support.rows import create_database

from pfn.protocol.errors import Code
from pfn.testing.publisher import FakePublisher

pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(600)]
PLUGINS = 120
DEATHS = 3
PATIENCE_S = 150
QUESTIONS = ("/federation/plugins", "/federation/activity", "/federation/sources", "/log/checkpoint", "/", "/readyz")


class Load:
    """Asks all the time and counts the answers by status and code."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.answers: Counter[tuple[int, str]] = Counter()
        self.strange: list[str] = []

    async def ask(self, path: str) -> None:
        while True:
            answer = await self.http.get(path)
            code = ""
            if answer.status_code >= 400 and path == "/readyz":
                code = "not ready"
            elif answer.status_code >= 400:
                code = answer.json()["code"] if "json" in answer.headers["content-type"] else "page"
                if code != Code.STORAGE_UNAVAILABLE.slug or "retry-after" not in answer.headers:
                    self.strange.append(f"{path}: {answer.status_code} {answer.headers} {answer.text[:300]}")
            self.answers[answer.status_code, code] += 1
            await asyncio.sleep(0.01)


async def mirrored(http: httpx.AsyncClient) -> int:
    answer = await http.get("/federation/plugins", params={"limit": 200})
    return len(answer.json()["plugins"]) if answer.status_code == 200 else 0


async def test_a_node_outlives_its_database(tmp_path: Path) -> None:
    with run_server() as server:
        url = create_database(server.url, "pfn_restart")
        settings = {"PFN_DATABASE_URL": url, "PFN_WORK": "1", "PFN_SYNC_EVERY": "2", "PFN_LEASE_SECONDS": "3"}
        async with FakePublisher("alice") as publisher:
            with run_node(tmp_path / "node", environment=settings) as node:
                async with node.async_client() as http:
                    body = {
                        "instance_url": publisher.url,
                        "username": "alice",
                        "public_key": publisher.public_key_pem,
                    }
                    source_id = (await http.post("/federation/add-source", json=body)).json()["source_id"]
                    status = {"sourceId": source_id}
                    while not (await http.get("/federation/source-status", params=status)).json()["verifications"]:
                        await asyncio.sleep(0.05)
                    answer = await http.post("/federation/subscribe", json=status)
                    assert answer.status_code == 200, answer.text
                    load = Load(http)
                    askers = [asyncio.create_task(load.ask(path)) for path in QUESTIONS]
                    for death in range(DEATHS):
                        for number in range(PLUGINS // DEATHS):
                            publisher.add_plugin(f"plugin-{death}-{number}", "1.0")
                        async with asyncio.timeout(PATIENCE_S):
                            while await mirrored(http) <= death * (PLUGINS // DEATHS):
                                await asyncio.sleep(0.05)
                        await asyncio.to_thread(server.stop)
                        await asyncio.sleep(2)
                        await asyncio.to_thread(server.start)
                    async with asyncio.timeout(PATIENCE_S):
                        while await mirrored(http) < PLUGINS:
                            await asyncio.sleep(0.2)
                    for asker in askers:
                        asker.cancel()
                    ended = await asyncio.gather(*askers, return_exceptions=True)
                    assert [one for one in ended if not isinstance(one, asyncio.CancelledError)] == []
                    assert load.strange == []
                    assert load.answers[503, Code.STORAGE_UNAVAILABLE.slug] > 0
                    assert load.answers[200, ""] > 0
                    # Each release once in the log, and the log is whole.
                    leaves = (await read_log(http)).of("release")
                    assert len(leaves) == PLUGINS
                assert node.process.poll() is None
