"""One POST to a receiver: every end it can have is an outcome."""

import asyncio

import pytest
from tests.outbound.raw_server import RawServer, reply

from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.receiver import RECEIVER_LIMITS, ReceiverClient

HASTY = FetchLimits(connect=0.3, first_byte=0.3, document_total=1.0)
OPEN = OutboundPolicy(allow_loopback=True)


async def send(url, *, policy=OPEN, limits=HASTY, lookup=None):
    async with Fetcher(policy, limits, lookup=lookup) as fetcher:
        return await ReceiverClient(fetcher).send(url, b'{"a":1}', {"webhook-id": "msg_1"})


def test_a_receiver_has_fifteen_to_thirty_seconds():
    assert 15 <= RECEIVER_LIMITS.first_byte <= RECEIVER_LIMITS.document_total <= 30


@pytest.mark.parametrize("status", [200, 202, 204, 400, 404, 410, 500, 503])
async def test_a_status_is_told_as_it_is(server, status):
    server.answers["/in"] = reply(b"" if status == 204 else b"whatever", status=f"{status} Something")
    attempt = await send(server.url("/in"))
    assert (attempt.status, attempt.retry_after) == (status, None)
    assert attempt.succeeded == (status < 300)
    (received,) = server.received
    assert (received.method, received.body) == ("POST", b'{"a":1}')
    assert received.headers["webhook-id"] == "msg_1"
    assert received.headers["content-type"] == "application/json"
    assert received.headers["user-agent"].startswith("pfn/")


async def test_a_redirect_is_told_and_not_followed(server):
    server.answers["/in"] = reply(status="302 Found", Location="/elsewhere")
    attempt = await send(server.url("/in"))
    assert (attempt.status, attempt.succeeded) == (302, False)
    assert len(server.received) == 1


async def test_what_it_asks_for_is_told(server):
    server.answers["/in"] = reply(status="429 Too Many", Retry_After="77")
    assert (await send(server.url("/in"))).retry_after == 77


async def test_one_connection_carries_many_messages(server):
    server.answers["/in"] = reply(status="204 No Content")
    async with Fetcher(OPEN, HASTY) as fetcher:
        for _ in range(5):
            await ReceiverClient(fetcher).send(server.url("/in"), b"{}", {})
    assert server.connections == 1


async def hang(_):
    await asyncio.sleep(60)


async def test_silence_ends(server):
    server.answers["/in"] = hang
    attempt = await send(server.url("/in"))
    assert (attempt.status, attempt.succeeded) == (None, False)
    assert attempt.sentence == "The receiver cannot be reached, or gave no answer in time."
    assert attempt.ms > 0


@pytest.mark.parametrize("address", ["10.0.0.1", "127.0.0.1", "169.254.169.254", "::1", "64:ff9b::a00:1"])
async def test_a_name_that_leads_inside_is_not_told_where(address):
    async def lookup(host):
        return [address]

    attempt = await send("https://hooks.example.com/in", policy=OutboundPolicy(), lookup=lookup)
    assert attempt.status is None
    assert attempt.sentence == "The receiver cannot be reached, or gave no answer in time."


async def test_nobody_listening_looks_the_same():
    async with RawServer() as closed:
        url = closed.url("/in")
    assert (await send(url)).sentence == "The receiver cannot be reached, or gave no answer in time."


async def test_a_url_that_breaks_the_policy_is_named():
    attempt = await send("http://hooks.example.com/in")
    assert attempt.status is None
    assert attempt.sentence is not None
    assert attempt.sentence.startswith("The URL cannot be used")
