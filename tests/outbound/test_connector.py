"""The guard at the socket, seen through the fetcher: which peers are dialled and which get a request."""

import asyncio
import socket

import pytest
from tests.outbound.raw_server import RawServer, reply

from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.resolver import JudgingResolver
from pfn.protocol.errors import Code, PfnError

OPENED = OutboundPolicy(allowed_hosts=frozenset({"publisher.test"}))


class Lookup:
    """Gives the next of several answers at each call; the last one again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.calls = 0

    async def __call__(self, host):
        self.calls += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def sockets(monkeypatch):
    """Every address a socket is asked to connect to."""
    dialled = []
    loop_class = type(asyncio.get_event_loop_policy().new_event_loop())
    real = loop_class.sock_connect

    async def sock_connect(self, sock, address):
        dialled.append(address[0])
        await real(self, sock, address)

    monkeypatch.setattr(loop_class, "sock_connect", sock_connect)
    return dialled


async def test_no_socket_is_opened_for_a_refused_answer(server, sockets):
    async with Fetcher(OutboundPolicy(), lookup=Lookup(["1.1.1.1", "127.0.0.1"])) as fetcher:
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document("https://publisher.example/")
    assert caught.value.code is Code.SOURCE_UNREACHABLE
    assert "resolves to 127.0.0.1: loopback" in caught.value.internal
    assert sockets == []


async def test_open_and_closed_ports_look_the_same(server):
    """No port-scan oracle: a refused name tells an outsider nothing about what listens there."""
    policy = OutboundPolicy(allowed_ports=frozenset({1, server.port}))
    errors = []
    async with Fetcher(policy, lookup=Lookup(["127.0.0.1"])) as fetcher:
        for port in (1, server.port):
            with pytest.raises(PfnError) as caught:
                await fetcher.get_document(f"https://publisher.example:{port}/")
            errors.append((caught.value.code, caught.value.detail))
    assert errors[0] == errors[1]
    assert server.connections == 0


async def test_a_name_is_resolved_once_per_connection_and_pinned(server, sockets):
    lookup = Lookup(["127.0.0.1"], ["127.0.0.2"])
    server.answers["/"] = reply(b"{}")
    async with Fetcher(OPENED, lookup=lookup) as fetcher:
        for _ in range(3):
            await fetcher.get_document(f"http://publisher.test:{server.port}/")
    assert (lookup.calls, sockets, server.connections) == (1, ["127.0.0.1"], 1)
    assert server.received[0].headers["host"] == f"publisher.test:{server.port}"


async def test_an_answer_that_turns_private_is_refused_at_the_next_connection(server):
    """DNS rebinding: the switch opens loopback names only, and the name may not become private later."""
    policy = OutboundPolicy(allow_loopback=True)
    server.answers["/"] = reply(b"{}")
    server.hang_up.add("/")
    async with Fetcher(policy, lookup=Lookup(["127.0.0.1"], ["10.0.0.1"])) as fetcher:
        url = f"http://localhost:{server.port}/"
        assert (await fetcher.get_document(url)).status == 200
        await asyncio.sleep(0.01)
        with pytest.raises(PfnError, match="cannot be reached") as caught:
            await fetcher.get_document(url)
    assert "10.0.0.1" in caught.value.internal


async def test_the_socket_is_judged_even_if_the_resolver_was_not_asked(server, sockets, monkeypatch):
    async def resolve(self, host, port=0, family=socket.AF_UNSPEC):
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6, "flags": 0}]

    monkeypatch.setattr(JudgingResolver, "resolve", resolve)
    policy = OutboundPolicy(allowed_ports=frozenset({server.port}))
    async with Fetcher(policy) as fetcher:
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document(f"https://publisher.example:{server.port}/")
    assert "leads to 127.0.0.1: loopback" in caught.value.internal
    assert sockets == []


async def test_literals_are_judged_without_a_resolver(server):
    server.answers["/"] = reply(b"{}")
    policy = OutboundPolicy(allowed_hosts=frozenset({"127.0.0.1"}))
    async with Fetcher(policy, lookup=Lookup([])) as fetcher:
        assert (await fetcher.get_document(server.url())).body == b"{}"
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document(f"http://127.0.0.2:{server.port}/")
    assert caught.value.code is Code.INVALID_URL


async def test_a_peer_that_was_not_dialled_gets_no_request(server, monkeypatch):
    loop_class = type(asyncio.get_running_loop())
    real = loop_class.sock_connect

    async def astray(self, sock, address):
        await real(self, sock, ("127.0.0.2", address[1]))

    monkeypatch.setattr(loop_class, "sock_connect", astray)
    async with (
        RawServer("127.0.0.2", server.port) as other,
        Fetcher(OPENED, lookup=Lookup(["127.0.0.1"])) as fetcher,
    ):
        with pytest.raises(PfnError) as caught:
            await fetcher.get_document(f"http://publisher.test:{server.port}/")
        await asyncio.sleep(0.01)
        assert other.connections == 1
        assert other.received == []
    assert "was reached at ('127.0.0.2'" in caught.value.internal


async def test_the_next_address_is_tried_when_one_is_dead(server):
    server.answers["/"] = reply(b"{}")
    async with Fetcher(OPENED, lookup=Lookup(["127.0.0.3", "127.0.0.1"])) as fetcher:
        assert (await fetcher.get_document(f"http://publisher.test:{server.port}/")).status == 200


async def test_proxies_in_the_environment_are_ignored(server, monkeypatch):
    async with RawServer() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url())
        server.answers["/"] = reply(b"{}")
        async with Fetcher(OPENED, lookup=Lookup(["127.0.0.1"])) as fetcher:
            assert (await fetcher.get_document(f"http://publisher.test:{server.port}/")).status == 200
        assert proxy.connections == 0
