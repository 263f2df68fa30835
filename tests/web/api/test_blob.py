"""Zips by their digest, and what is held in one digest: public, and only of what is served."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from tests.support.mesh import follow
from tests.support.network import ServedNode, serve_node

from pfn.protocol.log.state_digest import HeldRelease, state_digest
from pfn.testing.publisher_v2 import FakePublisherV2


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as served:
        yield served


async def test_a_zip_is_served_by_its_digest_to_anybody(node: ServedNode):
    async with FakePublisherV2() as publisher:
        content = publisher.add_plugin("one", "1.0")
        source = await follow(node, publisher)
    sha256 = hashlib.sha256(content).hexdigest()
    async with httpx.AsyncClient(base_url=node.url) as anybody:
        whole = await anybody.get(f"/blobs/sha256/{sha256}")
        assert (whole.status_code, whole.content) == (200, content)
        assert whole.headers["cache-control"] == "public, max-age=31536000, s-maxage=5, immutable"
        assert whole.headers["etag"] == f'"{sha256}"'
        part = await anybody.get(f"/blobs/sha256/{sha256}", headers={"Range": "bytes=10-19"})
        assert (part.status_code, part.content) == (206, content[10:20])
        head = await anybody.head(f"/blobs/sha256/{sha256}")
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(content)))
        again = await anybody.get(f"/blobs/sha256/{sha256}", headers={"If-None-Match": whole.headers["etag"]})
        assert again.status_code == 304
        for missing in ("0" * 64, sha256.upper()[:63] + "f"):
            assert (await anybody.get(f"/blobs/sha256/{missing}")).status_code in {404, 422}
        # Of a source that is not offered, nothing is.
        await node.services.sources.suspend("test", source, "We look into it.")
        assert (await anybody.get(f"/blobs/sha256/{sha256}")).json()["code"] == "not_found"


async def test_what_is_blocked_is_neither_given_nor_held(node: ServedNode):
    """A revoked key blocks what it signed since; a yank only withdraws an offer, and who asks by name is told."""
    now = int(node.clock())
    async with FakePublisherV2(now=now) as publisher, httpx.AsyncClient(base_url=node.url) as anybody:
        contents = {slug: publisher.add_plugin(slug, "1.0") for slug in ("bad", "gone")}
        source = await follow(node, publisher)
        publisher.yank("gone", "1.0")
        publisher.revoke_release_key(compromised_since=now - 10)
        contents["good"] = publisher.add_plugin("good", "1.0")
        await node.services.syncs.run_now(source)
        given = {
            slug: (await anybody.get(f"/blobs/sha256/{hashlib.sha256(content).hexdigest()}")).status_code
            for slug, content in contents.items()
        }
        state = (await anybody.get("/federation/state", params={"source": source})).json()
        whole = (await anybody.get("/federation/state")).json()
    assert given == {"bad": 404, "gone": 404, "good": 200}
    sha256 = hashlib.sha256(contents["good"]).hexdigest()
    assert state["digest"] == state_digest([HeldRelease("good", "1.0", sha256, "offered")])
    assert whole["digest"] == state_digest([HeldRelease(f"{source}/good", "1.0", sha256, "offered")])


async def test_the_state_is_a_digest_over_what_is_served(node: ServedNode):
    async with FakePublisherV2() as publisher, httpx.AsyncClient(base_url=node.url) as anybody:
        empty = (await anybody.get("/federation/state")).json()
        assert (empty["digest"], empty["count"]) == (state_digest([]), 0)
        contents = {slug: publisher.add_plugin(slug, "1.0") for slug in ("one", "two")}
        source = await follow(node, publisher)
        publisher.yank("two", "1.0")
        await node.services.syncs.run_now(source)
        held = [
            HeldRelease(slug, "1.0", hashlib.sha256(content).hexdigest(), "yanked" if slug == "two" else "offered")
            for slug, content in contents.items()
        ]
        one = (await anybody.get("/federation/state", params={"source": source})).json()
        size = (await anybody.get("/federation/log")).json()["size"]
        assert one == {"source": source, "digest": state_digest(held), "count": 2, "log_size": size}
        assert (await node.get("source-status", sourceId=source))["state_digest"] == one["digest"]
        whole = (await anybody.get("/federation/state")).json()
        named = [HeldRelease(f"{source}/{one.plugin}", one.version, one.digest, one.state) for one in held]
        assert (whole["source"], whole["digest"]) == (None, state_digest(named))
        await node.services.sources.suspend("test", source, "We look into it.")
        assert (await anybody.get("/federation/state")).json()["digest"] == empty["digest"]
        unknown = await anybody.get("/federation/state", params={"source": "eve@elsewhere.example"})
        assert unknown.json()["code"] == "source_unknown"
