"""Files streamed to a writer: digests, lengths that lie, encodings, statuses."""

import asyncio
import hashlib
import io
import random

import pytest
from tests.outbound.raw_server import reply

from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.errors import Code, PfnError

BYTES = random.Random(1).randbytes(300_000)


@pytest.fixture
async def fetcher():
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher:
        yield fetcher


@pytest.mark.parametrize("body", [b"", b"PK", BYTES], ids=["empty", "small", "large"])
async def test_bytes_arrive_whole_and_hashed(server, fetcher, body):
    server.answers["/a.zip"] = reply(body, ETag='"x"')
    target = io.BytesIO()
    download = await fetcher.download(server.url("/a.zip"), target)
    assert target.getvalue() == body
    assert (download.status, download.size, download.url) == (200, len(body), server.url("/a.zip"))
    assert download.sha256 == hashlib.sha256(body).hexdigest()
    assert download.sha1 == hashlib.sha1(body).hexdigest()
    assert download.sha384 == hashlib.sha384(body).hexdigest()
    assert download.headers["etag"] == '"x"'
    assert server.received[0].headers["accept-encoding"] == "identity"


async def test_a_body_without_a_length_is_read_to_its_end(server, fetcher):
    server.answers["/"] = b"HTTP/1.1 200 OK\r\n\r\n" + BYTES
    server.hang_up.add("/")
    assert (await fetcher.download(server.url(), io.BytesIO())).size == len(BYTES)


async def test_less_than_declared_is_an_error(server, fetcher):
    server.answers["/"] = reply(b"x" * 99, length=100)
    server.hang_up.add("/")
    with pytest.raises(PfnError) as caught:
        await fetcher.download(server.url(), io.BytesIO())
    assert caught.value.code is Code.SOURCE_UNREACHABLE


async def test_more_than_declared_is_not_read_and_spoils_nothing(server, fetcher):
    smuggled = reply(b"smuggled")
    server.answers["/"] = reply(b"x" * 100 + smuggled, length=100)
    server.answers["/next"] = reply(b"honest")
    target = io.BytesIO()
    assert (await fetcher.download(server.url(), target)).size == 100
    assert target.getvalue() == b"x" * 100
    assert (await fetcher.get_document(server.url("/next"))).body == b"honest"


async def test_bytes_sent_late_on_a_kept_connection_spoil_nothing(server, fetcher):
    async def answer_twice(writer):
        writer.write(reply(b"PK"))
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(reply(b"smuggled"))

    server.answers["/"] = answer_twice
    server.answers["/next"] = reply(b"honest")
    assert (await fetcher.download(server.url(), io.BytesIO())).size == 2
    await asyncio.sleep(0.03)
    assert (await fetcher.get_document(server.url("/next"))).body == b"honest"


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "gzip, identity"])
async def test_encoded_bytes_are_refused(server, fetcher, encoding):
    server.answers["/"] = reply(b"PK", Content_Encoding=encoding)
    target = io.BytesIO()
    with pytest.raises(PfnError) as caught:
        await fetcher.download(server.url(), target)
    assert caught.value.code is Code.SOURCE_UNREACHABLE
    assert target.getvalue() == b""


async def test_the_identity_encoding_may_be_named(server, fetcher):
    server.answers["/"] = reply(b"PK", Content_Encoding="Identity")
    assert (await fetcher.download(server.url(), io.BytesIO())).size == 2


@pytest.mark.parametrize("status", ["206 Partial", "304 Not Modified", "403 X", "404 X", "500 X"])
async def test_other_statuses_write_nothing(server, fetcher, status):
    body = b"" if status.startswith("304") else b"<html>"
    server.answers["/"] = reply(body, status=status, ETag='"x"')
    target = io.BytesIO()
    for _ in range(2):
        download = await fetcher.download(server.url(), target, headers={"If-None-Match": '"x"'})
    assert (download.status, download.size, download.sha256) == (int(status[:3]), 0, "")
    assert target.getvalue() == b""
    assert server.connections == 1


async def test_a_long_error_page_is_not_read(server, fetcher):
    server.answers["/"] = reply(length=10**9, status="500 X")
    assert (await fetcher.download(server.url(), io.BytesIO())).status == 500


async def test_redirects_are_followed(server, fetcher):
    server.answers["/"] = reply(b"x", status="302 Found", Location="/a.zip")
    server.answers["/a.zip"] = reply(b"PK")
    download = await fetcher.download(server.url(), io.BytesIO())
    assert (download.url, download.size) == (server.url("/a.zip"), 2)


@pytest.mark.parametrize("declared", [True, False])
async def test_more_than_allowed_is_refused(server, fetcher, declared):
    body = b"x" * 1001
    server.answers["/"] = reply(body) if declared else b"HTTP/1.1 200 OK\r\n\r\n" + body
    server.hang_up.add("/")
    target = io.BytesIO()
    with pytest.raises(PfnError) as caught:
        await fetcher.download(server.url(), target, max_bytes=1000)
    assert caught.value.code is Code.PUBLISHER_TOO_LARGE
    assert len(target.getvalue()) <= 1000


async def test_exactly_what_is_allowed_passes(server, fetcher):
    server.answers["/"] = reply(b"x" * 1000)
    assert (await fetcher.download(server.url(), io.BytesIO(), max_bytes=1000)).size == 1000


async def test_a_slow_download_is_given_up(server):
    async def trickle(writer):
        writer.write(reply(length=100_000))
        while not writer.is_closing():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.002)

    server.answers["/"] = trickle
    limits = FetchLimits(pace_window=0.05)
    async with Fetcher(OutboundPolicy(allow_loopback=True), limits) as fetcher:
        with pytest.raises(PfnError) as caught:
            await fetcher.download(server.url(), io.BytesIO())
    assert "slower than 16384" in caught.value.internal


async def test_a_full_disk_is_not_the_publishers_fault(server, fetcher):
    class FullDisk:
        def write(self, data):
            raise OSError(28, "No space left on device")

    server.answers["/"] = reply(b"PK")
    with pytest.raises(OSError, match="No space left") as caught:
        await fetcher.download(server.url(), FullDisk())
    assert not isinstance(caught.value, PfnError)
