"""A served folder over real HTTP, read as a node reads it."""

import base64
import hashlib
import json
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator

import httpx
import pytest
import structlog
from nacl.signing import VerifyKey
from tests.publisher.conftest import Serve, Served, own_key
from tests.publisher.reader import believe

from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.js_json import metadata_message, plugin_data_message
from pfn.protocol.naming_scheme import asset_url, names_version
from pfn.protocol.ownership import check_ownership, new_ownership_challenge, new_probe
from pfn.publisher.keys import Role
from pfn.publisher.renewal import yank
from pfn.publisher.rotation import RootKeys, rotate_key

ONE = "plugins/alice/one/one"
PFN = "/.well-known/pfn"


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


async def fetch_all(served: Served, http: httpx.AsyncClient) -> dict[str, bytes]:
    """Everything there is below the instance URL, as a newcomer would ask for it."""
    names = [path.relative_to(served.folder.signed).as_posix() for path in served.folder.signed.rglob("*.*")]
    found = {}
    for name in names:
        answer = await http.get(f"/{name}")
        if answer.status_code == 200:
            found[name] = answer.content
    return found


async def test_a_newcomer_believes_all_of_it(served: Served, http: httpx.AsyncClient) -> None:
    for version in ("1.0", "1.1", "2.0"):
        served.put("one", version)
    rotate_key(served.folder, Role.RELEASE, roots=RootKeys(), now=int(time.time()))
    served.put("two", "1.0")
    pin = parse_public_key((await http.get("/federation-info")).json()["publicKey"])
    assert pin == own_key(served.folder, Role.ROOT).public_key
    files = await fetch_all(served, http)
    believed = believe(files.__getitem__, served.url, pin, now=int(time.time()))
    assert believed.versions == {"one": ["1.0", "1.1", "2.0"], "two": ["1.0"]}
    # What is served is what is on disk, and nothing of it is left out.
    assert files == {
        path.relative_to(served.folder.signed).as_posix(): path.read_bytes()
        for path in served.folder.signed.rglob("*.*")
        if path.is_file()
    }


async def test_a_zip_carries_the_signature_that_wordpress_checks(served: Served, http: httpx.AsyncClient) -> None:
    content = served.put("one", "1.0")
    answer = await http.get(f"/{ONE}.1.0.zip")
    beside = await http.get(f"/{ONE}.1.0.zip.sig")
    assert answer.headers["x-content-signature"] == beside.text.strip()
    key = VerifyKey(own_key(served.folder, Role.RELEASE).public_key.raw)
    key.verify(hashlib.sha384(content).digest(), base64.b64decode(beside.text))
    assert beside.headers["content-type"].startswith("text/plain")


async def test_a_node_learns_the_key_and_where_the_zips_are(served: Served, node: PublisherClient) -> None:
    info = await node.get_info(served.url)
    assert info.public_key
    assert parse_public_key(info.public_key) == own_key(served.folder, Role.ROOT).public_key
    assert {"pfn-v2", "ownership-v2", "key-verification"} <= set(info.features)
    assert names_version(info.asset_info.naming_scheme)
    assert info.asset_info.domain == served.url


async def test_all_of_federation_info(served: Served, http: httpx.AsyncClient) -> None:
    served.put("one", "1.0", tags=("a", "b"))
    served.put("one", "1.1", tags=("b", "c"))
    info = (await http.get("/federation-info")).json()
    assert set(info) == {
        *("version", "nodeId", "nodeUrl", "features", "publicKey", "v1PublicKey", "stats", "health", "assetInfo"),
        "timestamp",
    }
    assert info["nodeUrl"] == served.url
    assert info["v1PublicKey"] == served.v1_key.public_key.pem
    counts = {name: count["total"] for name, count in info["stats"].items()}
    assert counts == {"plugins": 1, "releases": 2, "authors": 1, "tags": 2}
    assert info["health"]["status"] == "healthy"
    assert info["health"]["uptime"] >= 0


async def test_a_v1_node_gets_its_challenge_signed_with_the_v1_key(served: Served, node: PublisherClient) -> None:
    challenge = str(uuid.uuid4())
    timed = await node.prove_ownership(served.url, "alice", challenge)
    key = VerifyKey(served.v1_key.public_key.raw)
    key.verify(challenge.encode(), base64.b64decode(timed.proof.signature))


async def test_a_v2_node_gets_its_challenge_signed_with_the_ownership_key(
    served: Served, http: httpx.AsyncClient
) -> None:
    values = {"node_origin": "https://n.example", "username": "alice", "now": int(time.time())}
    for url, good in ((served.url, True), ("https://other.example", False)):
        text = new_ownership_challenge(**values, instance_url=url, random_bytes=secrets.token_bytes).text  # type: ignore[arg-type]
        answer = await http.post("/verify-ownership", json={"username": "alice", "challenge": text})
        assert (answer.status_code == 200) is good
        if good:
            signature = base64.b64decode(answer.json()["signature"])
            check_ownership([own_key(served.folder, Role.OWNERSHIP).public_key], challenge=text, signature=signature)


async def test_it_is_no_oracle(served: Served, http: httpx.AsyncClient) -> None:
    del served
    asked = {"username": "alice", "challenge": new_probe(secrets.token_bytes)}
    answer = await http.post("/verify-ownership", json=asked)
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


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
        served.put(slug, version, tags=("tag one", "2"), description='Says "hello" & Ünï.')
    catalog = await node.get_author_data(served.url, "alice")
    assert (catalog.username, catalog.member_since, catalog.website) == ("alice", "2024-02-29", "https://alice.example")
    assert (catalog.github, catalog.twitter) == ("al", None)
    assert catalog.unreadable == ()
    assert [(plugin.slug, plugin.version) for plugin in catalog.plugins] == [("one", "1.10"), ("two", "1.0-rc1")]
    key = VerifyKey(served.v1_key.public_key.raw)
    for plugin in catalog.plugins:
        assert set(plugin.tags) == {"tag one", "2"}
        assert plugin.signature
        message = metadata_message(plugin.slug, plugin.name, plugin.version, plugin.short_description)
        key.verify(message, base64.b64decode(plugin.signature))


async def test_plugin_data_is_signed_about_the_newest_version(served: Served, node: PublisherClient) -> None:
    served.put("one", "1.9")
    served.put("one", "1.10")
    signed = await node.get_plugin_data(served.url, "alice", "one")
    assert signed
    assert signed.describes("one", "1.10")
    VerifyKey(served.v1_key.public_key.raw).verify(plugin_data_message(signed.data), base64.b64decode(signed.signature))


async def test_every_version_is_there_byte_for_byte(served: Served, node: PublisherClient) -> None:
    contents = {version: served.put("one", version) for version in ("1.0", "1.1+build", "2.0")}
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
    content = served.put("one", "1.0")
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


@pytest.mark.parametrize("path", ["/", "/author-data?author=alice", f"{PFN}/catalog.json"])
async def test_a_document_that_did_not_change_costs_nothing(served: Served, http: httpx.AsyncClient, path: str) -> None:
    served.put("one", "1.0")
    etag = (await http.get(path)).headers["etag"]
    again = await http.get(path, headers={"If-None-Match": etag})
    assert (again.status_code, again.content) == (304, b"")
    served.put("one", "1.1")
    changed = await http.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


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
        ("/plugins/alice/one/one.1.1.zip.sig", 404),
        ("/plugins/alice/one/one.1.0.zip.sig.sig", 404),
        ("/plugins/alice/one/..%2F..%2F..%2F..%2Fkeys%2Froot.key", 404),
        ("/plugins/../../keys/root.key", 404),
        ("/.well-known/pfn/..%2F..%2F..%2Fkeys%2Froot.key", 404),
        ("/.well-known/pfn/publisher/2.json", 404),
        ("/.well-known/pfn/releases/one/1.1.json", 404),
        ("/.well-known/pfn/releases/one", 404),
        ("/.well-known/pfn/", 404),
        ("/keys/root.key", 404),
        ("/publisher.toml", 404),
        ("/verify-ownership", 405),
    ],
)
async def test_what_is_not_there_is_said_in_json(
    served: Served, http: httpx.AsyncClient, path: str, status: int
) -> None:
    served.put("one", "1.0")
    answer = await http.get(path)
    assert answer.status_code == status
    assert set(answer.json()) == {"error"}


async def test_a_zip_of_another_length_is_not_sent(served: Served, http: httpx.AsyncClient) -> None:
    served.put("one", "1.0")
    path = served.folder.signed / f"{ONE}.1.0.zip"
    assert (await http.get(f"/{ONE}.1.0.zip")).status_code == 200
    path.write_bytes(b"PK other")
    changed = await http.get(f"/{ONE}.1.0.zip")
    path.unlink()
    gone = await http.get(f"/{ONE}.1.0.zip")
    assert (changed.status_code, gone.status_code) == (503, 503)


async def test_a_yanked_version_stays_to_be_had_and_is_not_listed(
    served: Served, node: PublisherClient, http: httpx.AsyncClient
) -> None:
    for version in ("1.0", "1.1"):
        served.put("one", version)
    yank(served.folder, "one", "1.1", reason="Bad.", now=int(time.time()))
    assert [plugin.version for plugin in (await node.get_author_data(served.url, "alice")).plugins] == ["1.0"]
    signed = await node.get_plugin_data(served.url, "alice", "one")
    assert signed
    assert signed.describes("one", "1.0")
    assert (await http.get(f"/{ONE}.1.1.zip")).status_code == 200
    assert (await http.get(f"{PFN}/releases/one/1.1.json")).status_code == 200


async def test_what_cannot_be_read_is_said_and_the_old_served_on(served: Served, http: httpx.AsyncClient) -> None:
    served.put("one", "1.0")
    before = (await http.get(f"{PFN}/catalog.json")).content
    (served.folder.signed / ".well-known/pfn/catalog.json").write_bytes(b"{")
    with structlog.testing.capture_logs() as logs:
        after = await http.get(f"{PFN}/catalog.json")
    assert (after.status_code, after.content) == (200, before)
    assert [entry["event"] for entry in logs] == ["publisher_unreadable"]


async def test_behind_a_path_every_address_has_it(serve: Serve) -> None:
    async with serve(prefix="/shop") as served, httpx.AsyncClient() as http:
        served.put("one", "1.0")
        info = (await http.get(served.url.removesuffix("/shop") + "/federation-info")).json()
    assert (info["nodeUrl"], info["assetInfo"]["domain"]) == (served.url, served.url)


async def test_the_page_shows_who_and_what(served: Served, http: httpx.AsyncClient) -> None:
    served.put("one", "1.0")
    served.put("one", "1.1")
    page = (await http.get("/")).text
    root, v1 = own_key(served.folder, Role.ROOT).public_key, served.v1_key.public_key
    for expected in ("alice", root.fingerprint, v1.fingerprint, f"{ONE}.1.0.zip", f"{ONE}.1.1.zip"):
        assert expected.replace("+", "&#43;") in page or expected in page


async def test_the_page_is_inert(served: Served, http: httpx.AsyncClient) -> None:
    served.put("one", "1.0", name="<script>alert(1)</script>", description='"><img src=x onerror=alert(1)>')
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
    served.put("one", "1.0")
    paths = ("/", "/federation-info", "/author-data?author=alice", "/author-data", "/nothing")
    for path in (*paths, f"/{ONE}.1.0.zip", f"/{ONE}.1.0.zip.sig", f"{PFN}/publisher.json"):
        assert (await http.get(path)).headers["x-content-type-options"] == "nosniff", path


async def test_documents_are_written_as_javascript_writes_them(served: Served, http: httpx.AsyncClient) -> None:
    served.put("one", "1.0", description="Ünï <&> 😀", tags=("b", "10", "9"))
    body = (await http.get("/federated/plugin-data?author=alice&slug=one")).content
    assert plugin_data_message(json.loads(body)["data"]) in body
