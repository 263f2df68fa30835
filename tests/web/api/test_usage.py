"""Numbers of use over HTTP: what counts as a download, and what everybody may read."""

import json
from pathlib import Path

from tests.support.mesh import follow
from tests.support.network import serve_node
from tests.support.problem import assert_problem

from pfn.protocol.errors import Code
from pfn.testing.publisher import FakePublisher


async def test_each_zip_that_is_sent_from_its_beginning_counts(tmp_path: Path) -> None:
    async with serve_node(tmp_path / "node") as node, FakePublisher("alice") as alice:
        content = alice.add_plugin("hello", "1.0")
        source = await follow(node, alice)
        query = {"source": source, "plugin": "hello"}
        etag = (await node.http.head("/federation/download", params=query)).headers["etag"]
        counted = ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=0-"}, {"If-None-Match": '"other"'})
        others = (
            {"Range": "bytes=10-"},
            {"Range": "bytes=-5"},
            {"If-None-Match": etag},
            {"Range": f"bytes={len(content)}-"},
        )
        for headers in (*counted, *others):
            await node.http.get("/federation/download", params=query, headers=headers)
        await node.http.get("/federation/download", params={**query, "version": "9"})
        await node.services.usage.flush()
        node.http.headers.pop("Authorization")
        usage = await node.get("usage", **query)
        assert (usage["downloads"], usage["installs"]) == (len(counted), 0)
        [day] = usage["days"]
        assert (day["version"], day["downloads"], day["installs"], day["at"] % 86_400) == ("1.0", len(counted), 0, 0)


async def test_sites_are_counted_and_not_written_down(tmp_path: Path) -> None:
    async with serve_node(tmp_path / "node") as node, FakePublisher("alice") as alice:
        alice.add_plugin("hello", "1.0")
        source = await follow(node, alice)
        header = {"Name": "Hello", "Version": "1.0"}
        for name, active in (("one", True), ("one", True), ("two", True), ("three", False)):
            said = json.dumps({"plugins": {"hello/hello.php": header}, "active": ["hello/hello.php"] * active})
            agent = {"User-Agent": f"WordPress/6.1; https://site-{name}.example/"}
            answer = await node.http.post("/plugins/update-check/1.1/", data={"plugins": said}, headers=agent)
            assert answer.status_code == 200
        await node.services.usage.flush()
        [day] = (await node.get("usage", source=source, plugin="hello"))["days"]
        assert (day["version"], day["downloads"], day["installs"]) == ("1.0", 0, 2)
    written = [path for path in node.data.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if b"site-" in path.read_bytes()]


async def test_what_cannot_be_told(tmp_path: Path) -> None:
    async with serve_node(tmp_path / "node") as node, FakePublisher("alice") as alice:
        alice.add_plugin("hello", "1.0")
        source = await follow(node, alice)
        for query, code in (
            ({"source": source, "plugin": "other"}, Code.PLUGIN_UNKNOWN),
            ({"source": "a@b.example", "plugin": "hello"}, Code.SOURCE_UNKNOWN),
            ({"source": source, "plugin": "hello", "days": "401"}, Code.INVALID_FIELD),
        ):
            assert_problem(await node.http.get("/federation/usage", params=query), code)
        await node.post("suspend-source", sourceId=source)
        query = {"source": source, "plugin": "hello"}
        assert_problem(await node.http.get("/federation/usage", params=query), Code.SOURCE_SUSPENDED)
