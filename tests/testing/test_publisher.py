"""The fake publisher: honest unless told otherwise, and each fault does what it says."""

import asyncio
import base64
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.js_json import metadata_message, plugin_data_message
from pfn.protocol.publisher_v1 import ListedPlugin
from pfn.testing import faults
from pfn.testing.faults import Fault
from pfn.testing.publisher import FakePublisher
from pfn.wordpress.plugin_zip import inspect_zip


class Sink:
    def __init__(self) -> None:
        self.content = bytearray()

    def write(self, data: bytes) -> int:
        self.content += data
        return len(data)


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    async with FakePublisher() as running:
        running.add_plugin("one", "1.0", tags=("a",))
        yield running


@pytest.fixture
async def node() -> AsyncIterator[PublisherClient]:
    limits = FetchLimits(first_byte=0.5, document_total=1, download_total=1)
    async with Fetcher(OutboundPolicy(allow_loopback=True), limits) as fetcher:
        yield PublisherClient(fetcher)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.5)) as session:
        yield session


async def listed(publisher: FakePublisher, node: PublisherClient) -> ListedPlugin:
    return (await node.get_author_data(publisher.url, "alice")).plugins[0]


def holds(publisher: FakePublisher, plugin: ListedPlugin) -> bool:
    assert plugin.signature
    message = metadata_message(plugin.slug, plugin.name, plugin.version, plugin.short_description)
    try:
        VerifyKey(publisher.key.public_key.raw).verify(message, base64.b64decode(plugin.signature))
    except BadSignatureError:
        return False
    return True


async def test_left_alone_it_is_honest(publisher: FakePublisher, node: PublisherClient) -> None:
    content = publisher.add_plugin("two", "2.0", name="Zwei", description="Ünï", tags=("x", "y"))
    info = await node.get_info(publisher.url)
    assert info.public_key == publisher.public_key_pem
    catalog = await node.get_author_data(publisher.url, "alice")
    assert [(plugin.slug, plugin.version) for plugin in catalog.plugins] == [("one", "1.0"), ("two", "2.0")]
    assert catalog.plugins[1].name == "Zwei"
    assert all(holds(publisher, plugin) for plugin in catalog.plugins)
    challenge = str(uuid.uuid4())
    proof = (await node.prove_ownership(publisher.url, "alice", challenge)).proof
    VerifyKey(publisher.key.public_key.raw).verify(challenge.encode(), base64.b64decode(proof.signature))
    sink = Sink()
    await node.download_zip(publisher.url + publisher.zip_path("two", "2.0"), sink, max_bytes=10**6)
    assert bytes(sink.content) == content
    report = inspect_zip(content, slug="two", version="2.0")
    assert (report.findings, report.warnings) == ((), ())


async def test_it_remembers_what_was_asked(publisher: FakePublisher, node: PublisherClient) -> None:
    await node.get_author_data(publisher.url, "alice")
    with pytest.raises(PfnError):
        await node.prove_ownership(publisher.url, "alice", "x")
    first, second = publisher.requests
    assert (first.method, first.path, first.query) == ("GET", "/author-data", {"author": "alice"})
    assert first.headers["user-agent"].startswith("pfn/")
    assert (second.method, json.loads(second.body)) == ("POST", {"username": "alice", "challenge": "x"})


async def test_what_did_not_change_costs_304(publisher: FakePublisher, http: aiohttp.ClientSession) -> None:
    for path in ("/author-data?author=alice", publisher.zip_path("one", "1.0")):
        async with http.get(publisher.url + path) as first:
            etag = first.headers["ETag"]
        async with http.get(publisher.url + path, headers={"If-None-Match": etag}) as again:
            assert (again.status, await again.read()) == (304, b"")


@pytest.mark.parametrize(
    ("signature", "in_catalog", "good"),
    [
        ("author-data", True, True),
        ("wrong", True, False),
        ("other-key", True, False),
        ("plugin-data", False, None),
        (None, False, None),
    ],
)
async def test_where_the_signature_is_and_whether_it_holds(
    publisher: FakePublisher, node: PublisherClient, signature: str | None, in_catalog: bool, good: bool | None
) -> None:
    publisher.add_plugin("one", "1.0", signature=signature)  # type: ignore[arg-type]
    plugin = await listed(publisher, node)
    assert (plugin.signature is not None) is in_catalog
    if in_catalog:
        assert holds(publisher, plugin) is good
    beside = await node.get_plugin_data(publisher.url, "alice", "one")
    assert (beside is not None) is (signature == "plugin-data")
    if beside:
        message = plugin_data_message(beside.data)
        VerifyKey(publisher.key.public_key.raw).verify(message, base64.b64decode(beside.signature))


async def test_the_last_version_added_is_announced_and_all_zips_stay(
    publisher: FakePublisher, node: PublisherClient
) -> None:
    publisher.add_plugin("one", "2.0")
    publisher.add_plugin("one", "1.5")
    assert (await listed(publisher, node)).version == "1.5"
    for version in ("1.0", "1.5", "2.0"):
        url = publisher.url + publisher.zip_path("one", version)
        assert (await node.download_zip(url, Sink(), max_bytes=10**6)).status == 200
    publisher.withdraw_plugin("one")
    assert (await node.get_author_data(publisher.url, "alice")).plugins == ()


async def test_zips_can_be_others_or_missing(publisher: FakePublisher, node: PublisherClient) -> None:
    url = publisher.url + publisher.zip_path("one", "1.0")
    publisher.replace_zip("one", "1.0", b"other")
    download = await node.download_zip(url, Sink(), max_bytes=10**6)
    assert download.sha256 == hashlib.sha256(b"other").hexdigest()
    publisher.remove_zip("one", "1.0")
    with pytest.raises(PfnError) as caught:
        await node.download_zip(url, Sink(), max_bytes=10**6)
    assert caught.value.code is Code.ASSET_MISSING


async def test_a_scheme_without_versions_serves_the_last_one_added(node: PublisherClient) -> None:
    async with FakePublisher(naming_scheme="author/slug/slug.zip") as publisher:
        publisher.add_plugin("one", "1.0")
        content = publisher.add_plugin("one", "1.1")
        sink = Sink()
        await node.download_zip(f"{publisher.url}/alice/one/one.zip", sink, max_bytes=10**6)
        assert bytes(sink.content) == content


async def test_the_challenge_can_be_signed_by_another_key(publisher: FakePublisher, node: PublisherClient) -> None:
    publisher.proof_key = SigningKey.generate()
    challenge = str(uuid.uuid4())
    proof = (await node.prove_ownership(publisher.url, "alice", challenge)).proof
    signature = base64.b64decode(proof.signature)
    VerifyKey(publisher.proof_key.public_key.raw).verify(challenge.encode(), signature)
    with pytest.raises(BadSignatureError):
        VerifyKey(publisher.key.public_key.raw).verify(challenge.encode(), signature)


def test_a_plugin_that_no_honest_one_could_be_is_refused() -> None:
    with pytest.raises(ValueError, match="slug"):
        FakePublisher().add_plugin("No_Slug", "1.0")


DOCUMENT = "/author-data"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.status(500), Code.PUBLISHER_STATUS),
        (faults.html(), Code.PUBLISHER_DOCUMENT),
        (faults.body(b"{"), Code.PUBLISHER_DOCUMENT),
        (faults.edited(plugins="none"), Code.PUBLISHER_DOCUMENT),
        (faults.without("username"), Code.PUBLISHER_DOCUMENT),
        (faults.duplicate_key("username", "mallory"), Code.PUBLISHER_DOCUMENT),
        (faults.truncated(), Code.SOURCE_UNREACHABLE),
        (faults.hang_up(), Code.SOURCE_UNREACHABLE),
        (faults.hang(), Code.SOURCE_UNREACHABLE),
        (faults.trickle(), Code.SOURCE_UNREACHABLE),
        (faults.endless(), Code.PUBLISHER_TOO_LARGE),
        (faults.huge(17 << 20), Code.PUBLISHER_TOO_LARGE),
    ],
)
async def test_what_a_node_makes_of_a_fault(
    publisher: FakePublisher, node: PublisherClient, fault: Fault, code: Code
) -> None:
    publisher.faults[DOCUMENT] = fault
    with pytest.raises(PfnError) as caught:
        await node.get_author_data(publisher.url, "alice")
    assert caught.value.code is code
    del publisher.faults[DOCUMENT]
    assert (await node.get_author_data(publisher.url, "alice")).plugins


async def test_a_fault_for_every_path(publisher: FakePublisher, node: PublisherClient) -> None:
    publisher.faults["*"] = faults.hang_up()
    publisher.faults["/federation-info"] = faults.status(503)
    with pytest.raises(PfnError) as caught:
        await node.get_author_data(publisher.url, "alice")
    assert caught.value.code is Code.SOURCE_UNREACHABLE
    with pytest.raises(PfnError) as caught:
        await node.get_info(publisher.url)
    assert caught.value.code is Code.PUBLISHER_STATUS


async def test_a_redirect_leads_where_it_says(publisher: FakePublisher, http: aiohttp.ClientSession) -> None:
    publisher.faults["/old"] = faults.redirect(f"{publisher.url}/federation-info", number=308)
    async with http.get(f"{publisher.url}/old") as answer:
        assert answer.url.path == "/federation-info"
        assert answer.history[0].status == 308


@pytest.mark.parametrize(
    ("make", "length", "received"),
    [
        (faults.truncated, len, lambda zip_: zip_[: len(zip_) // 2]),
        (lambda: faults.huge(100_001), lambda _: 100_001, lambda _: b" " * 100_001),
        (lambda: faults.body(b"PK", content_type="application/zip"), lambda _: 2, lambda _: b"PK"),
        (lambda: faults.trickle(pause_s=0), len, lambda zip_: zip_),
    ],
)
async def test_what_goes_over_the_wire(
    publisher: FakePublisher,
    make: Callable[[], Fault],
    length: Callable[[bytes], int],
    received: Callable[[bytes], bytes],
) -> None:
    content = publisher.add_plugin("one", "1.0")
    publisher.faults[publisher.zip_path("one", "1.0")] = make()
    head, body = await ask(publisher, publisher.zip_path("one", "1.0"))
    assert f"Content-Length: {length(content)}" in head
    assert body == received(content)


async def ask(publisher: FakePublisher, path: str) -> tuple[str, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(publisher.url.rpartition(":")[2]))
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return head.decode(), body
    finally:
        writer.close()


async def test_leaving_ends_what_hangs() -> None:
    async with FakePublisher() as publisher:
        publisher.faults["/federation-info"] = faults.hang()
        pending = asyncio.create_task(ask(publisher, "/federation-info"))
        await asyncio.wait([pending], timeout=0.1)
        assert not pending.done()
    assert await pending == ("", b"")
