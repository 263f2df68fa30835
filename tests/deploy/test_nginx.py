"""deploy/nginx.conf in Debian's nginx, before a real node: bytes, headers, caches, takedowns, events, addresses."""

import asyncio
import hashlib
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
from structlog.testing import capture_logs
from tests.support.mesh import follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.nginx import HOST, Nginx, free_port, run_nginx
from tests.support.tools import needs_tool

from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.web.links import source_path

pytestmark = [needs_tool("nginx"), needs_tool("openssl"), pytest.mark.slow, pytest.mark.grown]

SLUG, VERSION = "reading-time", "1.0"
# Moments, with room for a busy machine; without the node's word nginx would go on for a year.
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Front:
    """A node with one plugin, behind nginx; ``http`` comes from 127.0.0.2, which nobody trusts."""

    node: ServedNode
    publisher: FakePublisherV2
    source: str
    content: bytes
    nginx: Nginx
    http: httpx.AsyncClient

    @property
    def path(self) -> str:
        return f"/dl{source_path(self.source).removeprefix('/sources')}/{SLUG}/{SLUG}.{VERSION}.zip"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    async def suspend(self) -> None:
        answer = await self.node.post("suspend-source", sourceId=self.source, reason="Under review.")
        assert answer.status_code == 200, answer.text


@asynccontextmanager
async def open_front(tmp_path: Path, **settings: Any) -> AsyncIterator[Front]:
    port = free_port()
    given = {"public_url": f"https://{HOST}", "trusted_proxies": "127.0.0.1", **settings}
    async with serve_node(tmp_path / "node", port=port, **given) as node, FakePublisherV2() as publisher:
        content = publisher.add_plugin(SLUG, VERSION, description="Tells how long it takes. " * 4000)
        source = await follow(node, publisher)
        with run_nginx(tmp_path / "nginx", f"127.0.0.1:{port}", node.data / "blobs") as nginx:
            async with nginx.client(address="127.0.0.2") as http:
                yield Front(node, publisher, source, content, nginx, http)


@pytest.fixture
async def offload(tmp_path: Path) -> AsyncIterator[Front]:
    """nginx has the blobs and sends them when the node says so."""
    async with open_front(tmp_path, download_offload="x-accel-redirect") as front:
        yield front


@pytest.fixture
async def cached(tmp_path: Path) -> AsyncIterator[Front]:
    """The node sends the bytes, as it does from a bucket, and nginx keeps them for moments."""
    async with open_front(tmp_path) as front:
        yield front


async def test_the_exact_bytes_with_every_header_that_the_node_gave(offload: Front) -> None:
    there = await offload.http.get(offload.path)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{offload.node.prepared.settings.port}") as direct:
        node = await direct.get(offload.path)
    assert there.status_code == 200
    assert there.content == offload.content
    # nginx sent them, not the node.
    assert node.headers["x-accel-redirect"].startswith("/pfn-blobs/sha256/")
    assert "x-accel-redirect" not in there.headers
    differ = {"date", "server", "x-request-id", "content-length", "x-accel-redirect"}
    expected = {name: value for name, value in node.headers.items() if name not in differ}
    assert {name: there.headers.get(name) for name in expected} == expected
    assert there.headers["etag"] == f'"{offload.sha256}"'
    assert there.headers["content-disposition"] == f'attachment; filename="{SLUG}.zip"'
    assert there.headers["x-content-signature"]
    assert there.headers["strict-transport-security"]
    assert (await offload.http.get(f"{offload.path}.sig")).text.strip() == there.headers["x-content-signature"]


async def test_head_conditions_and_ranges(offload: Front) -> None:
    await ask_in_every_way(offload)


async def test_head_conditions_and_ranges_where_nginx_keeps_the_bytes(cached: Front) -> None:
    await cached.http.get(cached.path)
    assert cached.nginx.cached
    await ask_in_every_way(cached)


async def ask_in_every_way(front: Front) -> None:
    http, path, content, etag = front.http, front.path, front.content, f'"{front.sha256}"'

    async def ask(**headers: str) -> httpx.Response:
        return await http.get(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    head = await http.head(path)
    assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", etag)
    assert int(head.headers["content-length"]) == len(content)
    date = head.headers["last-modified"]
    for given in ({"If_None_Match": etag}, {"If_None_Match": f'W/{etag}, "x"'}, {"If_Modified_Since": date}):
        answer = await ask(**given)
        assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", etag), given
    assert (await ask(If_None_Match='"another"')).content == content
    for text, part in (("bytes=0-99", slice(0, 100)), ("bytes=100-", slice(100, None)), ("bytes=-7", slice(-7, None))):
        for unchanged in ({}, {"If_Range": etag}, {"If_Range": date}):
            answer = await ask(Range=text, **unchanged)
            assert (answer.status_code, answer.content) == (206, content[part]), (text, unchanged)
            assert answer.headers["content-range"].endswith(f"/{len(content)}")
            assert answer.headers["etag"] == etag
    answer = await ask(Range="bytes=0-99", If_Range='"another"')
    assert (answer.status_code, answer.content) == (200, content)
    assert (await ask(Range=f"bytes={len(content)}-")).status_code == 416


async def test_downloads_are_counted_once_each(offload: Front) -> None:
    for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=10-"}, {"If-None-Match": f'"{offload.sha256}"'}):
        await offload.http.get(offload.path, headers=headers)
    await offload.http.head(offload.path)
    await offload.node.services.usage.flush()
    counted = await offload.node.get("usage", source=offload.source, plugin=SLUG)
    assert counted["downloads"] == 2


async def test_the_blobs_cannot_be_reached_from_outside(offload: Front) -> None:
    digest = offload.sha256
    blob = f"/pfn-blobs/sha256/{digest[:2]}/{digest[2:]}"
    quarantine = offload.node.data / "blobs" / "quarantine"
    quarantine.mkdir(exist_ok=True)
    (quarantine / "secret").write_bytes(b"secret")
    tries = [
        blob,
        f"/{blob}",
        blob.upper(),
        f"/dl/..{blob}",
        f"/dl/%2e%2e{blob}",
        blob.replace("/sha256", "/./sha256"),
        "/pfn-blobs/",
        "/pfn-blobs/sha256",
        "/pfn-blobs/sha256/",
        "/pfn-blobs/sha256/../quarantine/secret",
        "/pfn-blobs/sha256../quarantine/secret",
        "/pfn-blobs/sha256/..%2fquarantine/secret",
        "/pfn-blobs/sha256%2f..%2f..%2f..%2fnode.db",
        "/dl/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/dl/..%5c..%5cidentity.key",
        "/static/..%2f..%2fidentity.key",
        "/log/tile/../../../identity.key",
    ]
    for path in tries:
        status, body = await ask_raw(offload.nginx, path)
        assert status in {400, 403, 404, 422}, (path, status)
        assert b"PK\x03\x04" not in body, path
        assert b"secret" not in body, path
        assert b"root:" not in body, path


async def ask_raw(nginx: Nginx, path: str) -> tuple[int, bytes]:
    """Ask for a path exactly as it stands; clients would tidy it up."""
    context = ssl.create_default_context(cafile=nginx.folder / "fullchain.pem")
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.https, ssl=context, server_hostname=HOST)
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return int(answer.split(b" ", 2)[1]), answer


async def test_an_answer_of_the_nodes_own_cannot_name_another_file(offload: Front) -> None:
    """What a publisher or a client says never reaches the header that nginx obeys."""
    for name in ("..%2f..%2fnode.db", "%2e%2e", "a%00b", "a%0d%0aX-Accel-Redirect:%20/pfn-blobs/sha256/x"):
        answer = await offload.http.get(f"/dl/alice@127.0.0.1/{name}/{name}.1.0.zip")
        assert answer.status_code in {400, 404, 422}, name


async def count_lines(act: Callable[[], Any]) -> list[dict[str, Any]]:
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        await act()
    return [dict(line) for line in lines if line["event"] == "request"]


async def test_a_zip_and_a_tile_are_asked_for_once_in_moments(cached: Front) -> None:
    async def ask_often() -> None:
        for _ in range(5):
            assert (await cached.http.get(cached.path)).content == cached.content

    assert len(await count_lines(ask_often)) == 1

    async def read_tile() -> None:
        size = (await cached.http.get("/log/checkpoint")).text.splitlines()[1]
        first, second = [await cached.http.get(f"/log/tile/0/000.p/{size}") for _ in range(2)]
        assert first.status_code == 200
        assert first.content == second.content

    asked = [line["path"] for line in await count_lines(read_tile)]
    assert [path.startswith("/log/tile/") for path in asked] == [False, True]


@pytest.mark.parametrize("kind", ["offload", "cached"])
async def test_no_cache_outlives_a_takedown(kind: str, tmp_path: Path) -> None:
    settings = {"download_offload": "x-accel-redirect"} if kind == "offload" else {}
    async with open_front(tmp_path, **settings) as front:
        for _ in range(2):
            assert (await front.http.get(front.path)).status_code == 200
        assert bool(front.nginx.cached) is (kind == "cached")
        front.publisher.yank(SLUG, VERSION, "It loses data.")
        await sync(front.node, front.source)
        yanked = await until(front, lambda answer: "x-pfn-yanked" in answer.headers)
        assert yanked.content == front.content
        await front.suspend()
        taken = await until(front, lambda answer: answer.status_code != 200)
        assert taken.status_code == 409
        assert front.content not in taken.content
        assert (await front.http.get(front.path, headers={"Range": "bytes=0-9"})).status_code == 409
        assert (await front.http.head(front.path)).status_code == 409
        assert (await front.http.get(front.path, headers={"If-None-Match": f'"{front.sha256}"'})).status_code == 409
        answer = await front.node.post("resume-source", sourceId=front.source)
        assert answer.status_code == 200
        # An error is kept by nobody.
        assert (await front.http.get(front.path)).status_code == 200


async def until(front: Front, holds: Callable[[httpx.Response], bool]) -> httpx.Response:
    async with asyncio.timeout(PATIENCE_S):
        while not holds(answer := await front.http.get(front.path)):
            await asyncio.sleep(0.1)
    return answer


async def test_events_arrive_while_the_stream_is_open(offload: Front) -> None:
    async with offload.http.stream("GET", "/federation/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith("retry:")
        await offload.suspend()
        async with asyncio.timeout(60):
            async for line in lines:
                if line.startswith("data:") and "source_suspended" in line:
                    break


async def test_only_what_nginx_saw_is_believed_of_who_asks(offload: Front) -> None:
    forged = {"X-Forwarded-For": "198.51.100.9", "X-Request-Id": "forged", "X-Forwarded-Proto": "http"}
    port = offload.node.prepared.settings.port

    async def by_nginx() -> None:
        answer = await offload.http.get("/federation/plugins", headers=forged)
        assert answer.headers["x-request-id"] != "forged"

    async def around_it() -> None:
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/federation/plugins", headers=forged)).headers["x-request-id"] != "forged"

    for way in (by_nginx, around_it):
        [line] = await count_lines(way)
        assert line["address"] == "127.0.0.2", way
        assert re.fullmatch(r"[0-9a-f]{16,32}", line["request_id"]), way


async def test_plain_http_is_sent_on_and_large_bodies_are_not_taken(offload: Front) -> None:
    async with offload.nginx.client(encrypted=False) as plain:
        answer = await plain.get("/plugins?q=a")
        assert answer.status_code == 308
        assert answer.headers["location"] == f"https://{HOST}/plugins?q=a"
    answer = await offload.http.post("/federation/sources", content=b"x" * 10_000_000)
    assert answer.status_code == 413
