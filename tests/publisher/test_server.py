"""A served folder over real HTTP, read as a node reads it."""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
from nacl.signing import VerifyKey
from tests.publisher.conftest import Serve, Served

from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.js_json import metadata_message, plugin_data_message
from pfn.protocol.naming_scheme import asset_url, names_version
from pfn.publisher.folder import PublisherFolder
from pfn.testing.plugin import plugin_zip

ONE = "plugins/alice/one/one"


def put(made: PublisherFolder, slug: str, version: str, **facts: object) -> bytes:
    content = plugin_zip(slug, version, **facts)  # type: ignore[arg-type]
    (made.path / "plugins" / f"{slug}-{version}.zip").write_bytes(content)
    return content


@pytest.fixture
async def served(serve: Serve) -> AsyncIterator[Served]:
    async with serve() as running:
        yield running


@pytest.fixture
async def http(served: Served) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=served.url) as client:
        yield client


@pytest.fixture
async def node() -> AsyncIterator[PublisherClient]:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher:
        yield PublisherClient(fetcher)


async def test_a_node_learns_the_key_and_where_the_zips_are(served: Served, node: PublisherClient) -> None:
    info = await node.get_info(served.url)
    assert info.public_key
    assert parse_public_key(info.public_key) == served.folder.key.public_key
    assert names_version(info.asset_info.naming_scheme)
    assert info.asset_info.domain == served.url


async def test_all_of_federation_info(served: Served, http: httpx.AsyncClient) -> None:
    put(served.folder, "one", "1.0", tags=("a", "b"))
    put(served.folder, "one", "1.1", tags=("b", "c"))
    info = (await http.get("/federation-info")).json()
    assert set(info) == {
        *("version", "nodeId", "nodeUrl", "features", "publicKey", "stats", "health", "assetInfo", "timestamp"),
    }
    assert info["nodeUrl"] == served.url
    counts = {name: count["total"] for name, count in info["stats"].items()}
    assert counts == {"plugins": 1, "releases": 2, "authors": 1, "tags": 2}
    assert info["health"]["status"] == "healthy"
    assert info["health"]["uptime"] >= 0
    key = VerifyKey(served.folder.key.public_key.raw)
    key.verify(str(info["timestamp"]).encode(), base64.b64decode(info["health"]["signature"]))


async def test_a_node_gets_its_challenge_signed(served: Served, node: PublisherClient) -> None:
    challenge = str(uuid.uuid4())
    timed = await node.prove_ownership(served.url, "alice", challenge)
    key = VerifyKey(served.folder.key.public_key.raw)
    key.verify(challenge.encode(), base64.b64decode(timed.proof.signature))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"username":"mallory","challenge":"00000000-0000-4000-8000-000000000000"}', 404),
        (b'{"username":"Alice","challenge":"00000000-0000-4000-8000-000000000000"}', 404),
        (b'{"username":"alice","challenge":"AAAAAAAA-0000-4000-8000-000000000000"}', 400),
        (b'{"username":"alice","challenge":"00000000-0000-4000-8000-000000000000\\n"}', 400),
        (b'{"username":"alice","challenge":"{\\"id\\":\\"one\\"}"}', 400),
        (b'{"username":"alice","challenge":["00000000-0000-4000-8000-000000000000"]}', 400),
        (b'{"username":"alice","username":"alice","challenge":"00000000-0000-4000-8000-000000000000"}', 400),
        (b'{"username":"alice"}', 400),
        (b"[]", 400),
        (b"", 400),
        (b"{" + b" " * 5000 + b"}", 413),
    ],
)
async def test_whatever_else_is_asked_is_refused_in_json(http: httpx.AsyncClient, body: bytes, status: int) -> None:
    answer = await http.post("/verify-ownership", content=body)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


async def test_the_catalog_has_each_plugin_in_its_newest_version(served: Served, node: PublisherClient) -> None:
    for slug, version in (("one", "1.10"), ("one", "1.9"), ("two", "1.0-rc1"), ("two", "1.0-beta")):
        put(served.folder, slug, version, tags=("tag one", "2"), description='Says "hello" & Ünï.')
    catalog = await node.get_author_data(served.url, "alice")
    assert (catalog.username, catalog.member_since, catalog.website) == ("alice", "2024-02-29", "https://alice.example")
    assert (catalog.github, catalog.twitter) == ("al", None)
    assert catalog.unreadable == ()
    assert [(plugin.slug, plugin.version) for plugin in catalog.plugins] == [("one", "1.10"), ("two", "1.0-rc1")]
    key = VerifyKey(served.folder.key.public_key.raw)
    for plugin in catalog.plugins:
        assert set(plugin.tags) == {"tag one", "2"}
        assert plugin.signature
        message = metadata_message(plugin.slug, plugin.name, plugin.version, plugin.short_description)
        key.verify(message, base64.b64decode(plugin.signature))


async def test_plugin_data_is_signed_about_the_newest_version(served: Served, node: PublisherClient) -> None:
    put(served.folder, "one", "1.9")
    put(served.folder, "one", "1.10")
    signed = await node.get_plugin_data(served.url, "alice", "one")
    assert signed
    assert signed.describes("one", "1.10")
    VerifyKey(served.folder.key.public_key.raw).verify(
        plugin_data_message(signed.data), base64.b64decode(signed.signature)
    )


async def test_every_version_is_there_byte_for_byte(served: Served, node: PublisherClient) -> None:
    contents = {version: put(served.folder, "one", version) for version in ("1.0", "1.1+build", "2.0")}
    info = await node.get_info(served.url)
    for version, content in contents.items():
        assets = info.asset_info
        url = asset_url(assets.domain, assets.naming_scheme, author="alice", slug="one", version=version)
        received = bytearray()

        class Target:
            def write(self, data: bytes, received: bytearray = received) -> int:
                received.extend(data)
                return len(data)

        download = await node.download_zip(url, Target(), max_bytes=1 << 20)
        assert bytes(received) == content
        assert download.sha256 == hashlib.sha256(content).hexdigest()


async def test_a_zip_that_did_not_change_costs_nothing(served: Served, http: httpx.AsyncClient) -> None:
    content = put(served.folder, "one", "1.0")
    first = await http.get(f"/{ONE}.1.0.zip")
    assert first.content == content
    assert first.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    assert first.headers["content-type"] == "application/zip"
    etag, date = first.headers["etag"], first.headers["last-modified"]
    for headers, status in (
        ({"If-None-Match": etag}, 304),
        ({"If-None-Match": f'"x", W/{etag}'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-Modified-Since": date}, 304),
        ({"If-None-Match": '"x"'}, 200),
        ({"If-None-Match": '"x"', "If-Modified-Since": date}, 200),
        ({"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"}, 200),
    ):
        answer = await http.get(f"/{ONE}.1.0.zip", headers=headers)
        assert (answer.status_code, answer.content) == (status, content if status == 200 else b""), headers
        assert answer.headers["etag"] == etag
    head = await http.head(f"/{ONE}.1.0.zip")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(content)))


@pytest.mark.parametrize("path", ["/", "/author-data?author=alice"])
async def test_a_document_that_did_not_change_costs_nothing(served: Served, http: httpx.AsyncClient, path: str) -> None:
    put(served.folder, "one", "1.0")
    etag = (await http.get(path)).headers["etag"]
    again = await http.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    put(served.folder, "one", "1.1")
    changed = await http.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert "1.1" in changed.text


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/author-data", 400),
        ("/author-data?author=mallory", 404),
        ("/federated/plugin-data?author=alice", 400),
        ("/federated/plugin-data?slug=one", 400),
        ("/federated/plugin-data?author=mallory&slug=one", 404),
        ("/federated/plugin-data?author=alice&slug=none", 404),
        ("/plugins/mallory/one/one.1.0.zip", 404),
        ("/plugins/alice/one/one.1.1.zip", 404),
        ("/plugins/alice/one/one-1.0.zip", 404),
        ("/plugins/alice/two/one.1.0.zip", 404),
        ("/plugins/alice/one/..%2F..%2Fkeys%2Fpublisher.key", 404),
        ("/keys/publisher.key", 404),
        ("/publisher.toml", 404),
        ("/verify-ownership", 405),
    ],
)
async def test_what_is_not_there_is_said_in_json(
    served: Served, http: httpx.AsyncClient, path: str, status: int
) -> None:
    put(served.folder, "one", "1.0")
    answer = await http.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


async def test_bytes_that_were_not_judged_are_not_sent(serve: Serve) -> None:
    async with serve(look_every_s=3600) as served, httpx.AsyncClient(base_url=served.url) as http:
        put(served.folder, "one", "1.0")
        path = served.folder.path / "plugins" / "one-1.0.zip"
        assert (await http.get(f"/{ONE}.1.0.zip")).status_code == 200
        path.write_bytes(b"PK other")
        changed = await http.get(f"/{ONE}.1.0.zip")
        path.unlink()
        gone = await http.get(f"/{ONE}.1.0.zip")
    assert (changed.status_code, gone.status_code) == (503, 503)
    assert changed.headers["retry-after"] == "1"


async def test_behind_a_path_every_address_has_it(serve: Serve) -> None:
    async with serve(prefix="/shop") as served, httpx.AsyncClient() as http:
        put(served.folder, "one", "1.0")
        info = (await http.get(served.url.removesuffix("/shop") + "/federation-info")).json()
    assert (info["nodeUrl"], info["assetInfo"]["domain"]) == (served.url, served.url)


async def test_the_page_shows_who_and_what(served: Served, http: httpx.AsyncClient) -> None:
    put(served.folder, "one", "1.0")
    put(served.folder, "one", "1.1")
    page = (await http.get("/")).text
    for expected in ("alice", served.folder.key.public_key.fingerprint, f"{ONE}.1.0.zip", f"{ONE}.1.1.zip"):
        assert expected.replace("+", "&#43;") in page or expected in page


async def test_the_page_is_inert(served: Served, http: httpx.AsyncClient) -> None:
    put(served.folder, "one", "1.0", name="<script>alert(1)</script>", description='"><img src=x onerror=alert(1)>')
    answer = await http.get("/")
    assert "<script" not in answer.text
    assert "<img" not in answer.text
    assert "&lt;script&gt;" in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy


async def test_every_answer_says_not_to_guess_its_type(served: Served, http: httpx.AsyncClient) -> None:
    put(served.folder, "one", "1.0")
    for path in ("/", "/federation-info", "/author-data?author=alice", "/author-data", f"/{ONE}.1.0.zip", "/nothing"):
        assert (await http.get(path)).headers["x-content-type-options"] == "nosniff", path


async def test_documents_are_written_as_javascript_writes_them(served: Served, http: httpx.AsyncClient) -> None:
    put(served.folder, "one", "1.0", description="Ünï <&> 😀", tags=("b", "10", "9"))
    body = (await http.get("/federated/plugin-data?author=alice&slug=one")).content
    assert plugin_data_message(json.loads(body)["data"]) in body
