"""``pfn gc``, ``pfn scrub``, ``pfn retention``: shown before it is done, over a running node and over its folder."""

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import PFN, RunningNode
from tests.web.api.conftest import Api

from pfn.testing.faults import hang_up
from pfn.testing.publisher import ANY_PATH, FakePublisher


def pfn(node: RunningNode, *arguments: str, said: str = "", offline: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command against the node, or over its folder."""
    where = {"PFN_DATA": str(node.data)} if offline else {"PFN_NODE": node.url, "PFN_KEY": node.admin_key}
    environment = {**os.environ, "COLUMNS": "300", "PFN_ALLOW_LOOPBACK": "1", **where}
    return subprocess.run([PFN, *arguments], env=environment, input=said, capture_output=True, text=True, check=False)


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def strange(node: RunningNode, letter: str) -> Path:
    """Put a file among the zips that no row speaks of, long ago."""
    path = node.data / "blobs" / "sha256" / (letter * 2) / (letter * 62)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"left by a crash")
    os.utime(path, (1, 1))
    return path


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    async with FakePublisher("carer") as publisher:
        yield publisher


@pytest.fixture
async def source(node: RunningNode, publisher: FakePublisher) -> AsyncIterator[str]:
    """A source with three versions of a plugin."""
    async with node.async_client() as http:
        api = Api(http)
        publisher.add_plugin("hello", "1.0")
        source_id = await api.add(publisher)
        await api.post("subscribe", sourceId=source_id)
        for version in ("1.1", "1.2"):
            publisher.add_plugin("hello", version)
            await api.sync(source_id)
        yield source_id
        await api.post("remove-source", sourceId=source_id, purge=True)


def test_garbage_is_told_asked_for_and_deleted(node: RunningNode) -> None:
    path = strange(node, "a")
    told = pfn(node, "gc", "--dry-run")
    assert "Can be deleted: zips that nothing needs: 1" in told.stdout
    assert pfn(node, "gc", said="n\n").returncode == 1
    assert path.exists()
    assert answer(pfn(node, "gc", "--dry-run", "--json", "--grace", "24h"))["grace_s"] == 86_400
    done = pfn(node, "gc", "--yes")
    assert "Deleted: zips that nothing needs: 1" in done.stdout
    assert not path.exists()
    path = strange(node, "b")
    assert answer(pfn(node, "gc", "--yes", "--json", "--grace", "2d", offline=True))["blobs"] == 1
    assert not path.exists()


@pytest.mark.parametrize("wrong", [("gc", "--grace", "soon"), ("gc", "--grace", "0h"), ("scrub", "--rate", "fast")])
def test_wrong_times_and_rates_are_refused(node: RunningNode, wrong: tuple[str, ...]) -> None:
    assert pfn(node, *wrong).returncode != 0


@pytest.mark.slow
async def test_a_scrub_says_what_stayed_damaged_by_its_exit_code(
    node: RunningNode, source: str, publisher: FakePublisher
) -> None:
    for path in (node.data / "blobs" / "sha256").glob("*/*"):
        path.write_bytes(b"?")
    publisher.faults[ANY_PATH] = hang_up()
    failed = await asyncio.to_thread(pfn, node, "scrub", "--json", "--rate", "500MB/s")
    found = json.loads(failed.stdout)
    assert (failed.returncode, found["damaged"], found["blobs"], found["unfinished"]) == (1, 3, 3, False)
    publisher.faults.clear()
    mended = await asyncio.to_thread(pfn, node, "scrub")
    assert mended.returncode == 0, mended.stdout
    assert "Zips looked at: 3, mended: 3, damaged still: 0." in mended.stdout
    assert "damaged: 0" in pfn(node, "scrub", "--status").stdout


@pytest.mark.slow
async def test_old_releases_are_shown_retired_and_brought_back(node: RunningNode, source: str) -> None:
    shown = answer(pfn(node, "retention", "preview", "--versions", "1", "--days", "0", "--source", source, "--json"))
    assert [(one["plugin_id"], one["versions"]) for one in shown["named"]] == [("hello", ["1.1", "1.0"])]
    told = pfn(node, "retention", "preview", "--versions", "2", "--days", "0")
    assert "Old releases: 1, of plugins: 1" in told.stdout
    refused = pfn(node, "retention", "apply", "--versions", "1", "--days", "0", said="n\n")
    assert refused.returncode == 1
    done = pfn(node, "retention", "apply", "--versions", "1", "--days", "0", "--source", source, "--yes")
    assert "Retired. Old releases" in done.stdout
    assert "Releases retired already: 2; their zips gone: 0." in pfn(node, "retention", "preview").stdout
    assert node.api.get(f"/dl/{source}/hello/hello.1.0.zip").json()["code"] == "release_retired"
    assert node.api.get(f"/dl/{source}/hello/hello.1.2.zip").status_code == 200
    back = answer(pfn(node, "retention", "undo", "--source", source, "--json"))
    assert (back["releases"], back["missing"]) == (2, 0)
    assert node.api.get(f"/dl/{source}/hello/hello.1.0.zip").status_code == 200
