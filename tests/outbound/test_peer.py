"""Another node, honest or not, as the client takes it: what it brings, what is absent, and what is no answer."""

import hashlib
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.outbound.raw_server import RawServer, reply
from tests.support.peers import NOW, describe_node

from pfn.outbound.fetch import Fetcher
from pfn.outbound.peer import PeerClient
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.protocol.log.bundle import Bundle, write_bundle
from pfn.protocol.log.entry_bundle import write_entries
from pfn.protocol.log.tile import Tile
from pfn.protocol.peer import new_peer_challenge

NODE = describe_node()
CHALLENGE = new_peer_challenge(NODE, asking="https://here.example.org", now=NOW, random_bytes=bytes)
LEAVES = tuple(f"leaf {number}".encode() for number in range(256))
HASHES = b"".join(hashlib.sha256(leaf).digest() for leaf in LEAVES)
ZIP = b"PK\x05\x06" + bytes(18)
DIGEST = hashlib.sha256(ZIP).hexdigest()
STATE = {"source": "alice@example.org", "digest": "a" * 64, "count": 2}


@pytest.fixture
async def client() -> AsyncIterator[PeerClient]:
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher:
        yield PeerClient(fetcher)


def url(server: RawServer) -> str:
    return server.url("")


async def fails(asked: Awaitable[object], code: Code) -> PfnError:
    with pytest.raises(PfnError) as failed:
        await asked
    assert failed.value.code is code, failed.value
    assert "publisher" not in failed.value.detail
    return failed.value


async def test_what_a_peer_brings(server: RawServer, client: PeerClient) -> None:
    server.answers |= {
        "/federation/node": reply(json.dumps(NODE.to_json()).encode()),
        "/federation/node/prove": reply(b'{"signature": "' + b"A" * 86 + b'=="}'),
        "/federation/peers/hello": reply(b'{"status": "proposed"}'),
        "/log/checkpoint": reply(b"note"),
        "/log/tile/0/000.p/3": reply(HASHES[:96]),
        "/log/tile/entries/000.p/3": reply(write_entries(LEAVES[:3])),
        "/federation/proof?source=alice%40example.org&plugin=a%26b&version=1.0": reply(write_bundle(Bundle(DIGEST))),
        "/federation/state": reply(json.dumps({**STATE, "source": None}).encode()),
        "/federation/state?source=alice%40example.org": reply(json.dumps(STATE).encode()),
        "/federation/evidence": reply(b"{}"),
        f"/blobs/sha256/{DIGEST}": reply(ZIP),
        f"/witness/{hashlib.sha256(b'some/log').hexdigest()}/checkpoint": reply(b"cosigned"),
    }
    at = url(server)
    assert await client.get_node(at) == NODE
    assert await client.prove(at, CHALLENGE) == bytes(64)
    assert await client.hello(at, "https://here.example.org") == "proposed"
    assert await client.get_checkpoint(at) == b"note"
    assert await client.get_tile(at, Tile(0, 0, 3)) == HASHES[:96]
    assert await client.get_entries(at, 0, 3) == LEAVES[:3]
    assert await client.get_bundle(at, "alice@example.org", "a&b", "1.0") == Bundle(DIGEST)
    assert (await client.get_state(at)).source is None
    assert (await client.get_state(at, "alice@example.org")).count == 2
    assert await client.post_evidence(at, {"kind": "statement_fork"})
    target = io.BytesIO()
    download = await client.download_blob(at, DIGEST, target, max_bytes=100)
    assert (download.size, target.getvalue()) == (len(ZIP), ZIP)
    assert await client.get_witnessed(at, "some/log") == b"cosigned"
    sent = {one.path: json.loads(one.body) for one in server.received if one.method == "POST"}
    assert sent == {
        "/federation/node/prove": {"challenge": CHALLENGE.text},
        "/federation/peers/hello": {"url": "https://here.example.org"},
        "/federation/evidence": {"kind": "statement_fork"},
    }


async def test_a_partial_tile_that_is_gone_is_cut_from_the_full_one(server: RawServer, client: PeerClient) -> None:
    server.answers["/log/tile/0/000"] = reply(HASHES)
    server.answers["/log/tile/entries/000"] = reply(write_entries(LEAVES))
    assert await client.get_tile(url(server), Tile(0, 0, 200)) == HASHES[: 200 * 32]
    assert await client.get_entries(url(server), 0, 200) == LEAVES[:200]
    assert await client.get_entries(url(server), 0) == LEAVES


async def test_what_is_not_there_is_none(server: RawServer, client: PeerClient) -> None:
    at = url(server)
    assert await client.get_bundle(at, "alice@example.org", "a", "1") is None
    assert await client.get_state(at, "alice@example.org") is None
    assert await client.get_witnessed(at, "some/log") is None
    target = io.BytesIO()
    assert await client.download_blob(at, DIGEST, target, max_bytes=100) is None
    assert target.getvalue() == b""
    assert not await client.post_evidence(at, {})


async def test_what_a_log_must_have_and_does_not_show_is_withheld(server: RawServer, client: PeerClient) -> None:
    await fails(client.get_tile(url(server), Tile(0, 5, 7)), Code.PEER_WITHHELD)
    await fails(client.get_entries(url(server), 5, 7), Code.PEER_WITHHELD)
    assert [one.path for one in server.received] == [
        *("/log/tile/0/005.p/7", "/log/tile/0/005"),
        *("/log/tile/entries/005.p/7", "/log/tile/entries/005"),
    ]
    await fails(client.get_checkpoint(url(server)), Code.PEER_ANSWER)
    await fails(client.get_node(url(server)), Code.PEER_ANSWER)


@pytest.mark.parametrize("width", [1, 200])
async def test_half_a_tile_is_no_tile(server: RawServer, client: PeerClient, width: int) -> None:
    server.answers["/log/tile/0/000.p/200"] = reply(HASHES[: width * 32 - 1])
    server.answers["/log/tile/entries/000.p/200"] = reply(write_entries(LEAVES[:width])[:-1])
    await fails(client.get_tile(url(server), Tile(0, 0, 200)), Code.LOG_MALFORMED)
    await fails(client.get_entries(url(server), 0, 200), Code.LOG_MALFORMED)


async def test_other_bytes_than_those_of_the_digest_are_a_lie(server: RawServer, client: PeerClient) -> None:
    server.answers[f"/blobs/sha256/{DIGEST}"] = reply(ZIP + b"!")
    error = await fails(client.download_blob(url(server), DIGEST, io.BytesIO(), max_bytes=100), Code.PEER_BYTES)
    assert error.code.fault is Fault.SECURITY


Ask = Callable[[PeerClient, str], Awaitable[object]]
ASKS: dict[str, tuple[str, Ask]] = {
    "node": ("/federation/node", lambda client, at: client.get_node(at)),
    "prove": ("/federation/node/prove", lambda client, at: client.prove(at, CHALLENGE)),
    "hello": ("/federation/peers/hello", lambda client, at: client.hello(at, at)),
    "checkpoint": ("/log/checkpoint", lambda client, at: client.get_checkpoint(at)),
    "tile": ("/log/tile/0/000", lambda client, at: client.get_tile(at, Tile(0, 0))),
    "entries": ("/log/tile/entries/000", lambda client, at: client.get_entries(at, 0)),
    "bundle": (
        "/federation/proof?source=a&plugin=b&version=1",
        lambda client, at: client.get_bundle(at, "a", "b", "1"),
    ),
    "blob": (f"/blobs/sha256/{DIGEST}", lambda client, at: client.download_blob(at, DIGEST, io.BytesIO(), max_bytes=9)),
    "state": ("/federation/state", lambda client, at: client.get_state(at)),
    "evidence": ("/federation/evidence", lambda client, at: client.post_evidence(at, {})),
}


@pytest.mark.parametrize("name", ASKS)
async def test_an_error_is_no_fault_and_heeds_retry_after(server: RawServer, client: PeerClient, name: str) -> None:
    path, ask = ASKS[name]
    for status in ("429 Too Many Requests", "500 Oops", "503 Busy"):
        server.answers[path] = reply(b"later", status=status, Retry_After="90")
        error = await fails(ask(client, url(server)), Code.PEER_ANSWER)
        assert error.retry_after == 90
        assert error.code.fault is Fault.PEER


@pytest.mark.parametrize("name", ["node", "prove", "checkpoint", "tile", "blob", "state"])
async def test_too_much_is_not_read(server: RawServer, client: PeerClient, name: str) -> None:
    path, ask = ASKS[name]
    server.answers[path] = reply(b"x", length=64 * 1024 * 1024)
    await fails(ask(client, url(server)), Code.PEER_ANSWER)


async def test_a_peer_that_is_away_is_unreachable(client: PeerClient) -> None:
    async with RawServer() as gone:
        at = url(gone)
    for _, ask in ASKS.values():
        error = await fails(ask(client, at), Code.PEER_UNREACHABLE)
        assert error.internal is not None
    await fails(client.add_checkpoint(at, b""), Code.PEER_UNREACHABLE)


async def test_who_declines_to_sign_proves_nothing(server: RawServer, client: PeerClient) -> None:
    server.answers["/federation/node/prove"] = reply(b"{}", status="422 No")
    await fails(client.prove(url(server), CHALLENGE), Code.PEER_PROOF)


@pytest.mark.parametrize("status", [200, 403, 404, 409, 422, 500])
async def test_a_witness_answers_with_status_and_body(server: RawServer, client: PeerClient, status: int) -> None:
    server.answers["/witness/add-checkpoint"] = reply(b"12\n", status=f"{status} So")
    assert await client.add_checkpoint(url(server), b"old 0\n\nnote") == (status, b"12\n")
    assert server.received[-1].body == b"old 0\n\nnote"


async def test_addresses_that_are_closed_stay_closed() -> None:
    async with Fetcher(OutboundPolicy()) as fetcher:
        await fails(PeerClient(fetcher).get_node("http://127.0.0.1:1"), Code.INVALID_URL)
