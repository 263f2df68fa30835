"""A bucket that is away, slow, broken or lies, and a node that is killed over it: nothing lost, nothing false kept."""

import asyncio
import hashlib
import os
import random
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.bucket import Bucket
from tests.support.bucket_proxy import BucketProxy, run_bucket_proxy
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.node import start_node
from tests.support.problem import assert_problem
from tests.web.api.conftest import Api

from pfn.domain.schedule import Result
from pfn.protocol.errors import Code
from pfn.services.readiness import FRESH_S
from pfn.storage.bucket_client import BucketClient
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.links import zip_path

pytestmark = [pytest.mark.slow, pytest.mark.grown]

DAY = 86_400
PLUGINS = 60
KILLS = 4


class Shelf:
    """A node whose bucket is behind a proxy, and a publisher with some plugins."""

    def __init__(self, node: ServedNode, publisher: FakePublisherV2, proxy: BucketProxy, bucket: Bucket) -> None:
        self.node = node
        self.publisher = publisher
        self.proxy = proxy
        self.client = BucketClient(bucket.address)
        self.source = ""
        self.zips: dict[str, bytes] = {}

    def add(self, *slugs: str, size: int = 20_000) -> None:
        for slug in slugs:
            marked = {"data.bin": slug.encode() + os.urandom(size)}
            self.zips[slug] = self.publisher.add_plugin(slug, "1.0", files=marked)

    async def ask(self, slug: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.node.url, timeout=120) as anybody:
            return await anybody.get(zip_path(self.source, slug, "1.0"))

    async def ready(self) -> dict[str, Any]:
        self.node.clock.now += FRESH_S
        answer: dict[str, Any] = (await self.node.http.get("/readyz")).json()
        return answer

    async def assert_all_here(self) -> None:
        """Every zip is mirrored, stored under its digest, and comes back whole."""
        for slug, content in self.zips.items():
            answer = await self.ask(slug)
            assert (answer.status_code, answer.content == content) == (200, True), slug
        stored = [one async for one in self.client.list("sha256")]
        for one in stored:
            content = b"".join([piece async for piece in self.client.get(one.key)])
            assert one.key.replace("/", "").removeprefix("sha256") == hashlib.sha256(content).hexdigest()
        assert len(stored) == len(self.zips)
        assert list((self.node.data / "blobs" / "tmp").iterdir()) == []


@pytest.fixture
async def shelf(tmp_path: Path, seaweedfs: Bucket) -> AsyncIterator[Shelf]:
    bucket = seaweedfs.under(tmp_path.name)
    async with (
        run_bucket_proxy(bucket.port) as proxy,
        FakePublisherV2() as publisher,
        serve_node(tmp_path / "node", **bucket.through(proxy.port).settings) as node,
    ):
        shelf = Shelf(node, publisher, proxy, bucket)
        shelf.add("first")
        shelf.source = await follow(node, publisher)
        yield shelf


async def test_a_bucket_that_is_away_stops_what_is_new_and_loses_nothing(shelf: Shelf) -> None:
    await shelf.assert_all_here()
    shelf.add("large", size=300_000)
    await sync(shelf.node, shelf.source)
    shelf.add("second", "third")
    shelf.proxy.tell(away=True)
    outcome = await shelf.node.services.syncs.run_now(shelf.source)
    assert outcome.sync.code == Code.STORAGE_UNAVAILABLE.slug
    problem = await shelf.ask("large")
    assert_problem(problem, Code.STORAGE_UNAVAILABLE)
    assert int(problem.headers["retry-after"]) > 0
    ready = await shelf.ready()
    assert (ready["state"], ready["checks"][-1]["state"]) == ("degraded", "degraded")
    # What was sent a moment ago is still here, pages are, and nothing is taken for damaged.
    assert (await shelf.ask("first")).content == shelf.zips["first"]
    shelf.node.clock.now += DAY
    with pytest.raises(Exception, match=Code.STORAGE_UNAVAILABLE.slug):
        await shelf.node.services.rechecks.run(shelf.source)
    assert "bytes_corrupt" not in await shelf.node.actions()
    assert {row["plugin_id"] for row in (await shelf.node.get("plugins"))["plugins"]} == {"first", "large"}
    shelf.proxy.tell(away=False)
    assert (await shelf.ready())["state"] == "ready"
    shelf.node.clock.now += DAY
    await sync(shelf.node, shelf.source)
    await shelf.assert_all_here()
    assert (await shelf.node.services.rechecks.run(shelf.source)).result is Result.UNCHANGED


async def test_a_bucket_away_at_the_start_is_probed_when_it_is_back(tmp_path: Path, seaweedfs: Bucket) -> None:
    bucket = seaweedfs.under(tmp_path.name)
    async with run_bucket_proxy(bucket.port) as proxy, FakePublisherV2() as publisher:
        proxy.tell(away=True)
        async with serve_node(tmp_path / "node", **bucket.through(proxy.port).settings) as node:
            assert (await node.http.get("/readyz")).json()["state"] == "degraded"
            proxy.tell(away=False)
            shelf = Shelf(node, publisher, proxy, bucket)
            shelf.add("first")
            shelf.source = await follow(node, publisher)
            await shelf.assert_all_here()


async def test_a_slow_bucket_is_waited_for(shelf: Shelf) -> None:
    shelf.add(*(f"plugin-{number}" for number in range(8)), size=200_000)
    shelf.proxy.tell(delay_s=0.1)
    await sync(shelf.node, shelf.source)
    await shelf.assert_all_here()
    assert (await shelf.ready())["state"] == "ready"


async def test_a_few_503_are_bridged_and_many_are_told(shelf: Shelf) -> None:
    shelf.add("second", size=300_000)
    shelf.proxy.tell(broken=2)
    await sync(shelf.node, shelf.source)
    shelf.proxy.tell(broken=2)
    await shelf.assert_all_here()
    shelf.add("third")
    shelf.proxy.tell(broken=-1)
    outcome = await shelf.node.services.syncs.run_now(shelf.source)
    assert outcome.sync.code == Code.STORAGE_UNAVAILABLE.slug
    problem = await shelf.ask("second")
    assert_problem(problem, Code.STORAGE_UNAVAILABLE)
    assert int(problem.headers["retry-after"]) > 0
    shelf.proxy.tell(broken=0)
    shelf.node.clock.now += DAY
    await sync(shelf.node, shelf.source)
    await shelf.assert_all_here()


async def test_other_bytes_on_the_way_back_are_never_sent_as_whole_and_the_daily_look_sees_them(shelf: Shelf) -> None:
    shelf.add("small-lie", size=5_000)
    shelf.add("large-lie", size=9_000_000)
    await sync(shelf.node, shelf.source)
    # The name of the zip's folder stands in it as it is.
    shelf.proxy.tell(lies={b"small-lie/": b"small-lye/", b"large-lie/": b"large-lye/"})
    assert_problem(await shelf.ask("small-lie"), Code.BLOB_CORRUPT)
    with pytest.raises(httpx.RemoteProtocolError):
        await shelf.ask("large-lie")
    shelf.node.clock.now += DAY
    await shelf.node.services.rechecks.run(shelf.source)
    assert (await shelf.node.actions()).count("bytes_corrupt") == 2
    shelf.proxy.tell(lies={})
    shelf.node.clock.now += DAY
    assert (await shelf.node.services.rechecks.run(shelf.source)).result is Result.UNCHANGED
    await shelf.assert_all_here()


@asynccontextmanager
async def started(data: Path, bucket: Bucket) -> AsyncIterator[tuple[Any, Api]]:
    environment = {f"PFN_{name.upper()}": value for name, value in bucket.settings.items()}
    node = await asyncio.to_thread(
        start_node, data, environment={"PFN_MASTER_KEY": "a master key for this test", **environment}
    )
    try:
        async with node.async_client(node.master_key) as http:
            yield node, Api(http)
    finally:
        if node.process.poll() is None:
            node.kill()
        assert node.process.stdout is not None
        node.process.stdout.close()


async def assert_whole(data: Path, bucket: Bucket) -> set[tuple[str, str]]:
    """Check that each row's bytes are in the bucket, and give what is mirrored."""
    with sqlite3.connect(data / "node.db") as rows:
        assert rows.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        mirrored = rows.execute("SELECT plugin_id, version, local_path, sha256 FROM mirrored_plugins").fetchall()
    client = BucketClient(bucket.address)
    for _, _, key, digest in mirrored:
        content = b"".join([piece async for piece in client.get(key)])
        assert hashlib.sha256(content).hexdigest() == digest
    return {(row[0], row[1]) for row in mirrored}


async def test_a_node_killed_anywhere_in_a_sync_goes_on_where_it_was(tmp_path: Path, seaweedfs: Bucket) -> None:
    dice = random.Random(7)
    data, bucket = tmp_path / "node", seaweedfs.under(tmp_path.name)
    async with FakePublisherV2("alice") as publisher:
        for number in range(PLUGINS):
            publisher.add_plugin(f"plugin-{number}", "1.0")
        async with started(data, bucket) as (_, api):
            source_id = await api.add(publisher)
        before: set[tuple[str, str]] = set()
        for _ in range(KILLS):
            async with started(data, bucket) as (node, api):
                work = asyncio.create_task(api.post("subscribe", sourceId=source_id))
                await asyncio.sleep(dice.uniform(0.0, 0.8))
                node.kill()
                await asyncio.gather(work, return_exceptions=True)
            now = await assert_whole(data, bucket)
            assert before <= now
            before = now
        async with started(data, bucket) as (_, api):
            assert list((data / "blobs" / "tmp").iterdir()) == []
            until = time.monotonic() + 60
            while len(await assert_whole(data, bucket)) < PLUGINS:
                assert time.monotonic() < until
                answer = (await api.post("subscribe", sourceId=source_id)).json()
                assert answer["syncResult"]["success"] is True
        assert len(await assert_whole(data, bucket)) == PLUGINS
