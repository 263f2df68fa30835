"""A node that keeps its zips in a bucket: everything it does with files it does here, and what a bucket adds."""

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.bucket import Bucket, open_url
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.problem import assert_problem

from pfn.app import examine
from pfn.protocol.errors import Code
from pfn.storage.bucket_client import BucketClient
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.links import zip_path
from pfn.web.zip import PRESIGNED_S

DAY = 86_400
LARGE = {"data.bin": os.urandom(5 * 1024 * 1024)}


class Shelf:
    """A node on a bucket, a publisher it follows, and words for both."""

    def __init__(self, node: ServedNode, publisher: FakePublisherV2, source: str, bucket: Bucket) -> None:
        self.node = node
        self.publisher = publisher
        self.source = source
        self.client = BucketClient(bucket.address)

    async def ask(self, slug: str, method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with httpx.AsyncClient(base_url=self.node.url) as anybody:
            return await anybody.request(method, zip_path(self.source, slug, "1.0"), headers=named)

    async def keys(self, prefix: str) -> list[str]:
        return [one.key async for one in self.client.list(prefix)]

    async def damage(self, content: bytes) -> None:
        """Change a byte of a stored zip: its length stays."""
        other = bytearray(content)
        other[len(other) // 2] ^= 1
        await self.client.put(key_of(content), bytes(other), create=False)


def key_of(content: bytes) -> str:
    digest = hashlib.sha256(content).hexdigest()
    return f"sha256/{digest[:2]}/{digest[2:]}"


@asynccontextmanager
async def open_shelf(data: Path, bucket: Bucket, **settings: Any) -> AsyncIterator[Shelf]:
    async with serve_node(data, **bucket.settings, **settings) as node, FakePublisherV2() as publisher:
        publisher.add_plugin("small", "1.0")
        yield Shelf(node, publisher, await follow(node, publisher), bucket)


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.grown) for name in ("rclone", "seaweedfs")])
def bucket(request: pytest.FixtureRequest, tmp_path: Path) -> Bucket:
    found: Bucket = request.getfixturevalue(request.param)
    return found.under(tmp_path.name)


@pytest.fixture
async def shelf(tmp_path: Path, bucket: Bucket) -> AsyncIterator[Shelf]:
    async with open_shelf(tmp_path / "node", bucket) as opened:
        yield opened


@pytest.mark.parametrize("bucket", ["rclone", pytest.param("seaweedfs", marks=pytest.mark.grown)], indirect=True)
async def test_zips_go_to_the_bucket_and_come_from_it(shelf: Shelf) -> None:
    small = await shelf.ask("small")
    large = shelf.publisher.add_plugin("large", "1.0", files=LARGE)
    await sync(shelf.node, shelf.source)
    for answer, content in ((small, small.content), (await shelf.ask("large"), large)):
        assert answer.status_code == 200
        assert answer.content == content
        assert answer.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert await shelf.keys("sha256") == sorted([key_of(small.content), key_of(large)])
    assert [path for path in (shelf.node.data / "blobs").rglob("*") if path.is_file()] == []
    assert await shelf.keys("probe") == []
    blob = await shelf.node.http.get(f"/blobs/sha256/{hashlib.sha256(large).hexdigest()}")
    assert blob.content == large


async def test_ranges_heads_and_conditions_are_those_of_files(shelf: Shelf) -> None:
    large = shelf.publisher.add_plugin("large", "1.0", files=LARGE)
    await sync(shelf.node, shelf.source)
    first = 4 * 1024 * 1024 - 2
    part = await shelf.ask("large", Range=f"bytes={first}-{first + 9}")
    assert (part.status_code, part.content) == (206, large[first : first + 10])
    assert part.headers["content-range"] == f"bytes {first}-{first + 9}/{len(large)}"
    small = await shelf.ask("small")
    assert (await shelf.ask("small", Range="bytes=-3")).content == small.content[-3:]
    head = await shelf.ask("large", "HEAD")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(large)), b"")
    assert (await shelf.ask("large", If_None_Match=head.headers["etag"])).status_code == 304
    assert (await shelf.ask("large", Range=f"bytes={len(large)}-")).status_code == 416


async def test_what_is_refused_is_set_apart_in_the_bucket(shelf: Shelf) -> None:
    shelf.publisher.add_plugin("bad", "1.0", content=b"not a zip at all")
    await shelf.node.services.syncs.run_now(shelf.source)
    [item] = await shelf.node.get("quarantine", sourceId=shelf.source)
    assert await shelf.keys("quarantine") == [f"quarantine/{item['sha256']}"]
    look = await shelf.node.post("recheck-quarantined", id=item["id"])
    assert look.json()["success"] is False
    assert (await shelf.node.post("drop-quarantined", id=item["id"])).json()["success"] is True
    assert await shelf.keys("quarantine") == []


async def test_other_bytes_in_the_bucket_are_never_sent_whole_and_mended_by_the_daily_look(shelf: Shelf) -> None:
    large = shelf.publisher.add_plugin("large", "1.0", files=LARGE)
    await sync(shelf.node, shelf.source)
    await shelf.damage(large)
    with pytest.raises(httpx.RemoteProtocolError):
        await shelf.ask("large")
    shelf.node.clock.now += DAY
    outcome = await shelf.node.services.rechecks.run(shelf.source)
    assert outcome.detail == "2 blobs are whole"
    assert (await shelf.ask("large")).content == large
    assert await shelf.keys("quarantine") == [f"quarantine/{hashlib.sha256(large).hexdigest()}.damaged"]
    assert {"bytes_corrupt", "bytes_restored"} <= set(await shelf.node.actions())


async def test_small_zips_with_other_bytes_are_an_error_before_any_is_sent(tmp_path: Path, bucket: Bucket) -> None:
    async with open_shelf(tmp_path / "node", bucket) as shelf:
        [content] = shelf.publisher._zips.values()
        await shelf.damage(content)
        assert_problem(await shelf.ask("small"), Code.BLOB_CORRUPT)
        assert_problem(await shelf.ask("small", Range="bytes=0-3"), Code.BLOB_CORRUPT)
        await shelf.client.delete(key_of(content))
        assert_problem(await shelf.ask("small"), Code.BLOB_MISSING)
        await shelf.client.put(key_of(content), content, create=False)
        assert (await shelf.ask("small")).content == content


async def test_downloads_are_sent_on_by_urls_that_end(tmp_path: Path, bucket: Bucket) -> None:
    async with open_shelf(tmp_path / "node", bucket, download_presigned=True) as shelf:
        answer = await shelf.ask("small")
        assert (answer.status_code, answer.content) == (302, b"")
        assert answer.headers["cache-control"] == "no-store"
        location = answer.headers["location"]
        assert f"X-Amz-Expires={PRESIGNED_S}&" in urlsplit(location).query
        status, headers, content = open_url(location)
        assert (status, f'"{hashlib.sha256(content).hexdigest()}"') == (200, answer.headers["etag"])
        assert headers["content-disposition"] == answer.headers["content-disposition"]
        # A HEAD needs no bytes, and who asks by digest or by the API's first address follows nothing.
        assert (await shelf.ask("small", "HEAD")).status_code == 200
        assert (await shelf.ask("small", If_None_Match=answer.headers["etag"])).status_code == 304
        query = {"source": shelf.source, "plugin": "small"}
        assert (await shelf.node.http.get("/federation/download", params=query)).content == content
        key = (shelf.source, "small")
        await shelf.node.services.usage.flush()
        assert (await shelf.node.services.usage.totals([key]))[key].downloads == 2


async def test_a_blocked_release_is_not_sent_on(tmp_path: Path, bucket: Bucket) -> None:
    async with open_shelf(tmp_path / "node", bucket, download_presigned=True) as shelf:
        assert (await shelf.node.post("suspend-source", sourceId=shelf.source, reason="x")).status_code == 200
        assert (await shelf.ask("small")).status_code >= 400


async def test_the_stored_bytes_are_verified_and_the_node_says_where_they_are(shelf: Shelf) -> None:
    verdict = await shelf.node.get("verify", source=shelf.source, plugin="small", version="1.0")
    assert verdict["valid"] is True
    ready = (await shelf.node.http.get("/readyz")).json()
    assert (ready["state"], ready["checks"][-1]["name"]) == ("ready", "bucket")
    findings = {finding.name: finding for finding in await examine(shelf.node.prepared.settings)}
    assert "s3://blobs/" in findings["blobs"].sentence
    assert "secret" not in findings["blobs"].sentence
    assert findings["zips"].severity == "ok"
