"""Documents, statuses, redirects, headers and turns, against a server that says what a test wrote."""

import asyncio
import gzip
import json
import tracemalloc
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.outbound.raw_server import RawServer, reply

from pfn import __version__
from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Answer, Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.protocol.errors import Code, PfnError

LOOPBACK = OutboundPolicy(allow_loopback=True)


@pytest.fixture
async def fetcher():
    async with Fetcher(LOOPBACK) as fetcher:
        yield fetcher


async def fails(call, code=Code.SOURCE_UNREACHABLE):
    with pytest.raises(PfnError) as caught:
        await call
    assert caught.value.code is code
    return caught.value


async def test_a_document_with_its_status_headers_and_url(server, fetcher):
    server.answers["/info?a=1"] = reply(b'{"a":1}', Content_Type="application/json", ETag='"x"')
    answer = await fetcher.get_document(server.url("/info?a=1"), headers={"If-None-Match": '"y"'})
    assert (answer.status, answer.body, answer.url) == (200, b'{"a":1}', server.url("/info?a=1"))
    assert answer.headers["etag"] == answer.headers["ETag"] == '"x"'
    assert isinstance(answer.elapsed_ms, int)
    sent = server.received[0].headers
    assert sent["user-agent"] == f"pfn/{__version__}"
    assert sent["if-none-match"] == '"y"'
    assert sent["accept-encoding"] == "gzip, deflate"
    assert "cookie" not in sent


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "404 Not Found", "418 X", "500 X", "503 X"])
async def test_any_status_is_an_answer(server, fetcher, status):
    body = b"" if status[:3] in {"204", "304"} else b"<html>Sorry</html>"
    server.answers["/"] = reply(body, status=status, Content_Type="text/html")
    answer = await fetcher.get_document(server.url())
    assert (answer.status, answer.body) == (int(status[:3]), body)


async def test_post_json(server, fetcher):
    server.answers["/verify-ownership"] = reply(b"{}")
    await fetcher.post_json(server.url("/verify-ownership"), {"challenge": "ä"}, headers={"X-Test": "1"})
    received = server.received[0]
    assert (received.method, json.loads(received.body)) == ("POST", {"challenge": "ä"})
    assert received.headers["content-type"] == "application/json"
    assert received.headers["x-test"] == "1"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_post_follows_no_redirect(server, fetcher, status):
    server.answers["/"] = reply(status=f"{status} Moved", Location="/other")
    error = await fails(fetcher.post_json(server.url(), {}))
    assert "redirect too many" in error.internal
    assert [request.path for request in server.received] == ["/"]


async def test_cookies_are_not_kept(server, fetcher):
    server.answers["/"] = reply(b"{}", Set_Cookie="session=1; Path=/")
    for _ in range(2):
        await fetcher.get_document(server.url())
    assert "cookie" not in server.received[1].headers


# Redirects.


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_followed_and_its_url_reported(server, fetcher, status):
    server.answers["/a/b"] = reply(b"moved", status=f"{status} Moved", Location="../c?d=%2B")
    server.answers["/c?d=%2B"] = reply(b"{}")
    answer = await fetcher.get_document(server.url("/a/b"))
    assert (answer.status, answer.url) == (200, server.url("/c?d=%2B"))
    assert server.connections == 1


async def test_the_connection_of_a_redirect_is_used_again(server, fetcher):
    async def late_body(writer):
        writer.write(reply(status="302 Found", Location="/end", length=5))
        await asyncio.sleep(0.01)
        writer.write(b"moved")

    server.answers.update({"/": late_body, "/end": reply(b"{}")})
    assert (await fetcher.get_document(server.url())).status == 200
    assert server.connections == 1


async def test_three_redirects_are_followed_and_four_are_not(server, fetcher):
    for step in range(4):
        server.answers[f"/{step}"] = reply(status="302 Found", Location=f"/{step + 1}")
    server.answers["/4"] = reply(b"{}")
    assert (await fetcher.get_document(server.url("/1"))).status == 200
    server.received.clear()
    await fails(fetcher.get_document(server.url("/0")))
    assert [request.path for request in server.received] == ["/0", "/1", "/2", "/3"]


async def test_a_loop_ends(server, fetcher):
    server.answers["/"] = reply(status="302 Found", Location="/")
    await fails(fetcher.get_document(server.url()))
    assert len(server.received) == 4


async def test_a_redirect_status_without_a_location_is_an_answer(server, fetcher):
    server.answers["/"] = reply(status="302 Found")
    assert (await fetcher.get_document(server.url())).status == 302


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/",
        "https://2130706433/",
        "https://0x7f.1/",
        "http://publisher.example/",
        "https://user:secret@publisher.example/",
        "https://publisher.example:22/",
        "https://publisher.example/#top",
        "//10.0.0.1/",
        "file:///etc/passwd",
        "ftp://publisher.example/",
        "http://[::1",
        "http://[/",
        "\\\\10.0.0.1\\share",
    ],
)
async def test_a_redirect_is_judged_like_any_url_and_tells_outsiders_nothing(server, fetcher, location):
    server.answers["/"] = reply(status="302 Found", Location=location)
    error = await fails(fetcher.get_document(server.url()))
    assert error.detail == "The publisher at 127.0.0.1 cannot be reached."
    assert len(server.received) == 1


async def test_a_redirect_to_a_name_with_a_private_address_is_refused(server):
    async def lookup(host):
        return ["10.0.0.1"]

    server.answers["/"] = reply(status="302 Found", Location="https://inside.example/")
    async with Fetcher(LOOPBACK, lookup=lookup) as fetcher:
        error = await fails(fetcher.get_document(server.url()))
    assert "inside.example resolves to 10.0.0.1: private use" in error.internal


async def test_a_url_the_policy_refuses_is_the_callers_fault(fetcher):
    error = await fails(fetcher.get_document("https://10.0.0.1/"), Code.INVALID_URL)
    assert "not an IP address" in error.detail


async def test_only_harmless_headers_follow_a_redirect(server, fetcher):
    server.answers["/"] = reply(status="302 Found", Location="/next")
    server.answers["/next"] = reply(b"{}")
    secrets = {"Authorization": "Bearer s", "X-API-Key": "s", "Cookie": "s=1"}
    harmless = {"If-None-Match": '"x"', "Accept": "application/json"}
    await fetcher.get_document(server.url(), headers={**secrets, **harmless})
    first, second = (request.headers for request in server.received)
    assert {name.lower() for name in secrets} <= set(first)
    assert not {name.lower() for name in secrets} & set(second)
    assert (second["if-none-match"], second["accept"]) == ('"x"', "application/json")


# Sizes and encodings.


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress])
async def test_compressed_documents_are_decoded(server, fetcher, encode):
    body = json.dumps(list(range(5000))).encode()
    encoding = "gzip" if encode is gzip.compress else "deflate"
    server.answers["/"] = reply(encode(body), Content_Encoding=encoding)
    assert (await fetcher.get_document(server.url())).body == body


async def test_the_limit_counts_decoded_bytes(server, fetcher):
    server.answers["/fits"] = reply(gzip.compress(b"0" * 1000, mtime=0), Content_Encoding="gzip")
    server.answers["/large"] = reply(gzip.compress(b"0" * 1001, mtime=0), Content_Encoding="gzip")
    assert len((await fetcher.get_document(server.url("/fits"), max_bytes=1000)).body) == 1000
    await fails(fetcher.get_document(server.url("/large"), max_bytes=1000), Code.PUBLISHER_TOO_LARGE)


async def test_a_bomb_is_not_inflated(server, fetcher):
    bomb = zlib.compressobj(9, wbits=31)
    body = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    server.answers["/"] = reply(body, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        await fails(fetcher.get_document(server.url()), Code.PUBLISHER_TOO_LARGE)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (gzip.compress(b"{}", mtime=0)[:-4], "gzip"),
        (gzip.compress(b"{}", mtime=0) + b"more", "gzip"),
        (b"not gzip", "gzip"),
        (zlib.compress(b"{}")[2:-4], "deflate"),
        (b"{}", "br"),
        (b"{}", "gzip, gzip"),
    ],
)
async def test_broken_or_unknown_encodings_are_refused(server, fetcher, body, encoding):
    server.answers["/"] = reply(body, Content_Encoding=encoding)
    await fails(fetcher.get_document(server.url()))


async def test_nothing_is_not_a_broken_encoding(server, fetcher):
    server.answers["/"] = reply(status="404 Not Found", Content_Encoding="gzip")
    assert (await fetcher.get_document(server.url())).body == b""


async def test_a_declared_length_over_the_limit_is_not_even_read(server, fetcher):
    server.answers["/"] = reply(b"", length=1024 * 1024 + 1)
    await fails(fetcher.get_document(server.url()), Code.PUBLISHER_TOO_LARGE)


async def test_an_endless_body_is_cut(server, fetcher):
    async def endless(writer):
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")
            await writer.drain()

    server.answers["/"] = endless
    await fails(fetcher.get_document(server.url()), Code.PUBLISHER_TOO_LARGE)


async def test_giant_headers_are_refused(server, fetcher):
    server.answers["/one"] = reply(b"{}", X_Big="x" * 40_000)
    server.answers["/many"] = reply(b"{}", **{f"X_{count}": "x" * 1000 for count in range(33)})
    server.answers["/countless"] = reply(b"{}", **{f"X_{count}": "x" for count in range(1000)})
    server.answers["/fit"] = reply(b"{}", **{f"X_{count}": "x" * 1000 for count in range(31)})
    for path in ("/one", "/many", "/countless"):
        await fails(fetcher.get_document(server.url(path)))
    assert (await fetcher.get_document(server.url("/fit"))).status == 200


# Slowness: the same server, tiny limits.


async def drip(writer, text, pause=0.005):
    for byte in text:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(pause)


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (FetchLimits(connect=0.02, first_byte=0.02, document_total=30), "no complete head"),
        (FetchLimits(document_total=0.05), "not finished within"),
    ],
)
async def test_a_trickled_head_is_given_up(server, limits, reason):
    server.answers["/"] = lambda writer: drip(writer, b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000)
    async with Fetcher(LOOPBACK, limits) as fetcher:
        assert reason in (await fails(fetcher.get_document(server.url()))).internal


async def test_a_trickled_body_is_given_up(server):
    async def trickle(writer):
        writer.write(reply(length=10_000))
        await drip(writer, b"x" * 10_000)

    server.answers["/"] = trickle
    async with Fetcher(LOOPBACK, FetchLimits(pace_window=0.05)) as fetcher:
        assert "slower than" in (await fails(fetcher.get_document(server.url()))).internal


async def test_silence_is_given_up(server):
    async def hush(writer):
        await asyncio.sleep(60)

    server.answers["/"] = hush
    async with Fetcher(LOOPBACK, FetchLimits(first_byte=0.02)) as fetcher:
        assert "Timeout" in (await fails(fetcher.get_document(server.url()))).internal


async def test_redirects_share_one_total(server):
    async def slow(writer):
        await asyncio.sleep(0.05)
        writer.write(reply(status="302 Found", Location="/"))

    server.answers["/"] = slow
    async with Fetcher(LOOPBACK, FetchLimits(document_total=0.12)) as fetcher:
        assert "not finished" in (await fails(fetcher.get_document(server.url()))).internal
    assert len(server.received) < 4


# Transport.


async def test_a_closed_port_is_one_uniform_error(fetcher):
    async with RawServer() as gone:
        url = gone.url()
    error = await fails(fetcher.get_document(url))
    assert error.detail == "The publisher at 127.0.0.1 cannot be reached."
    assert error.__cause__ is not None


@pytest.mark.parametrize(
    "script",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        b"HTTP/1.1 99999 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_unreachable(server, fetcher, script):
    server.answers["/"] = script
    server.hang_up.add("/")
    await fails(fetcher.get_document(server.url()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        [
            b"",
            b"HTTP/1.1 ",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n\x1f\x8b\x08",
            b"HTTP/1.1 302 Found\r\nLocation: ",
            b"HTTP/1.1 200 OK\r\nContent-Length: ",
            b"HTTP/1.1 200 OK\r\nSet-Cookie: ",
        ]
    ),
    st.binary(max_size=200),
)
async def test_any_bytes_are_an_answer_or_one_error(start, rest):
    async with RawServer() as server, Fetcher(LOOPBACK) as fetcher:
        server.answers["/"] = start + rest + b"\r\n\r\n"
        server.hang_up.add("/")
        try:
            answer = await fetcher.get_document(server.url())
        except PfnError as error:
            assert error.code in {Code.SOURCE_UNREACHABLE, Code.PUBLISHER_TOO_LARGE}  # noqa: PT017
        else:
            assert isinstance(answer, Answer)


async def test_connections_are_reused(server, fetcher):
    server.answers["/"] = reply(b"{}")
    for _ in range(20):
        await fetcher.get_document(server.url())
    assert server.connections == 1


@pytest.mark.parametrize("per_host", [1, 2, 5])
async def test_a_host_has_few_exchanges_at_a_time(server, per_host):
    async def slow(writer):
        await asyncio.sleep(0.005)
        writer.write(reply(b"{}"))

    server.answers["/"] = slow
    async with Fetcher(LOOPBACK, FetchLimits(per_host=per_host)) as fetcher:
        await asyncio.gather(*(fetcher.get_document(server.url()) for _ in range(12)))
        assert not fetcher._turns
    assert server.most_busy == per_host


async def test_crossing_redirects_do_not_wait_for_each_other():
    async with RawServer("127.0.0.1") as one, RawServer("127.0.0.2", one.port) as two:
        port = one.port

        async def to_two(writer):
            await asyncio.sleep(0.005)
            writer.write(reply(status="302 Found", Location=f"http://127.0.0.2:{port}/end"))

        async def to_one(writer):
            await asyncio.sleep(0.005)
            writer.write(reply(status="302 Found", Location=f"http://127.0.0.1:{port}/end"))

        one.answers.update({"/": to_two, "/end": reply(b"one")})
        two.answers.update({"/": to_one, "/end": reply(b"two")})
        async with Fetcher(LOOPBACK, FetchLimits(per_host=1)) as fetcher, asyncio.timeout(60):
            answers = await asyncio.gather(
                fetcher.get_document(f"http://127.0.0.1:{port}/"),
                fetcher.get_document(f"http://127.0.0.2:{port}/"),
            )
    assert [answer.body for answer in answers] == [b"two", b"one"]


async def test_a_cancelled_fetch_frees_its_turn(server):
    async def hush(writer):
        await asyncio.sleep(60)

    server.answers.update({"/hush": hush, "/": reply(b"{}")})
    async with Fetcher(LOOPBACK, FetchLimits(per_host=1)) as fetcher, asyncio.timeout(60):
        task = asyncio.create_task(fetcher.get_document(server.url("/hush")))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await fetcher.get_document(server.url())).status == 200
