"""``pfn health`` and what ``pfn source show`` says of health and trust, against a real node."""

import asyncio
import json
import os
import subprocess

from tests.support.node import PFN, RunningNode
from tests.web.api.conftest import Api

from pfn.testing import faults
from pfn.testing.publisher import FakePublisher


async def pfn(node: RunningNode, *arguments: str) -> str:
    """Run a command while the publisher of the test goes on answering."""
    environment = {**os.environ, "PFN_NODE": node.url, "PFN_KEY": node.admin_key, "COLUMNS": "300"}
    run = asyncio.to_thread(
        subprocess.run, [PFN, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    done = await run
    assert done.returncode == 0, done.stderr
    return str(done.stdout)


def row(table: str, first: str) -> str:
    """The line that begins with a word, its columns one space apart."""
    return next(" ".join(line.split()) for line in table.splitlines() if line.startswith(first))


async def test_the_table_tells_who_answers_and_why_not(node: RunningNode) -> None:
    async with FakePublisher("well") as well, FakePublisher("ill") as ill, node.async_client() as http:
        ill.faults["/federation-info"] = faults.status(503)
        api = Api(http)
        good, bad = await api.add(well), await api.add(ill)
        table = await pfn(node, "health")
        assert row(table, good).startswith(f"{good} healthy 100.0 % 100.0 % 100.0 % ")
        assert row(table, bad).startswith(f"{bad} degraded 0.0 % 0.0 % 0.0 % - ")
        assert "answered with status 503 instead of 200; try again later. (publisher_status)" in row(table, bad)
        found = json.loads(await pfn(node, "health", "--json"))
        assert {one["source_id"] for one in found["sources"]} >= {good, bad}

        one = await pfn(node, "health", good, "--days", "30")
        assert row(one, "state").startswith("state healthy since ")
        assert row(one, "uptime 7 days") == "uptime 7 days 100.0 %"
        assert row(one, "last error") == "last error -"
        assert one.splitlines()[-1].split()[1:3] == ["1", "0"]
        assert len(json.loads(await pfn(node, "health", good, "--json"))["hours"]) == 1


async def test_a_source_shows_every_term_with_its_evidence(node: RunningNode) -> None:
    async with FakePublisher("shown") as publisher, node.async_client() as http:
        source_id = await Api(http).add(publisher)
        shown = await pfn(node, "source", "show", source_id)
        assert "healthy since" in row(shown, "health")
        assert row(shown, "ownership").startswith("ownership 0.27 0.25 1.0 0.0 0.67 All ownership proofs held;")
        assert row(shown, "signatures").startswith("signatures 0.00 0.45 0.0 0.0 1.00 No signature and byte checks yet")
        assert {"uptime", "age", "subscribers"} <= {line.split(" ")[0] for line in shown.splitlines()}
        await http.post("/federation/suspend-source", json={"sourceId": source_id, "reason": "a test"})
        shown = await pfn(node, "source", "show", source_id)
        blocked = "capped at 0.00 The operator of this node has blocked the source. (operator_block)"
        assert row(shown, "capped at") == blocked
