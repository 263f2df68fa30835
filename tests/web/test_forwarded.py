"""Who asks behind proxies: only what trusted proxies wrote is believed, and nothing crashes."""

from collections.abc import Sequence
from ipaddress import IPv6Address, ip_address

import httpx
import pytest
from fastapi import FastAPI, Request
from hypothesis import given
from hypothesis import strategies as st

from pfn.web.access import caller_of
from pfn.web.forwarded import Forwarded, TrustedProxies, network_of

PROXIES = ("10.0.0.0/8", "fd00::/8", "192.0.2.7")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("198.51.100.1", [], "198.51.100.1"),
        ("198.51.100.1", ["203.0.113.9"], "198.51.100.1"),  # a stranger's claim
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"),  # what the client made up stands left
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9, 10.0.0.2"], "203.0.113.9"),
        ("10.0.0.1", ["1.1.1.1, 203.0.113.9", "10.0.0.2"], "203.0.113.9"),  # several lines are one list
        ("10.0.0.1", ["10.0.0.3,10.0.0.2"], "10.0.0.3"),  # all are proxies: the outermost asks
        ("10.0.0.1", ["1.1.1.1, 10.0.0.3, 203.0.113.9"], "203.0.113.9"),
        ("192.0.2.7", ["203.0.113.9"], "203.0.113.9"),
        ("192.0.2.8", ["203.0.113.9"], "192.0.2.8"),
        ("::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
        ("fd00::1", ["2001:db8::5"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]:443"], "2001:db8::5"),
        ("10.0.0.1", ["[2001:db8::5]"], "2001:db8::5"),
        ("10.0.0.1", ["203.0.113.9:51234"], "203.0.113.9"),
        ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
        ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),  # what cannot be read ends the search
        ("10.0.0.1", ["203.0.113.9,"], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["[::1"], "::1"),
        ("10.0.0.1", ["_hidden, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["1.2.3.4.5"], "10.0.0.1"),
        ("testclient", ["203.0.113.9"], "testclient"),
        ("", ["203.0.113.9"], ""),
    ],
)
def test_the_rightmost_hop_that_is_no_proxy_asks(peer: str, forwarded: Sequence[str], client: str) -> None:
    assert TrustedProxies(PROXIES).find_client(peer, forwarded) == client


def test_nobody_is_believed_where_no_proxy_is_named() -> None:
    assert TrustedProxies(()).find_client("127.0.0.1", ["203.0.113.9"]) == "127.0.0.1"


_ADDRESSES = st.ip_addresses().map(str)
_HOPS = st.one_of(_ADDRESSES, st.text(max_size=40), st.sampled_from(["10.0.0.2", "fd00::2", "unknown", "[", ":", ""]))


@given(peer=st.one_of(_ADDRESSES, st.just("10.0.0.1"), st.text(max_size=20)), lines=st.lists(st.text(max_size=80)))
def test_any_text_gives_the_peer_or_an_address(peer: str, lines: list[str]) -> None:
    client = TrustedProxies(PROXIES).find_client(peer, lines)
    assert client == peer or ip_address(client)


@given(
    hops=st.lists(_HOPS, max_size=6), stranger=st.ip_addresses(v=4).filter(lambda one: not str(one).startswith("10."))
)
def test_what_stands_left_of_a_stranger_changes_nothing(hops: list[str], stranger: object) -> None:
    proxies = TrustedProxies(["10.0.0.0/8"])
    claimed = ",".join([*hops, str(stranger), "10.0.0.2"])
    assert proxies.find_client("10.0.0.1", [claimed]) == str(stranger)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
    ],
)
def test_an_ipv6_customer_is_counted_once(address: str, counted: str) -> None:
    assert network_of(address) == counted


@given(network=st.integers(2, 2**64 - 1), hosts=st.tuples(*[st.integers(0, 2**64 - 1)] * 2))
def test_a_network_is_the_addresses_that_share_64_bits(network: int, hosts: tuple[int, int]) -> None:
    first, second = (str(IPv6Address(network << 64 | host)) for host in hosts)
    assert network_of(first) == network_of(second) != network_of(str(IPv6Address((network ^ 1) << 64 | hosts[0])))


async def _ask(peer: str, headers: list[tuple[str, str]]) -> dict[str, str]:
    app = FastAPI()

    @app.get("/")
    async def tell(request: Request) -> dict[str, str]:
        assert request.client is not None
        return {
            "client": request.client.host,
            "caller": caller_of(request),
            "scheme": request.url.scheme,
            "id": request.headers.get("x-request-id", ""),
        }

    app.add_middleware(Forwarded, proxies=TrustedProxies(PROXIES))
    transport = httpx.ASGITransport(app=app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as http:
        told: dict[str, str] = (await http.get("/", headers=headers)).json()
        return told


async def test_handlers_see_who_asks_through_a_trusted_proxy() -> None:
    headers = [
        ("X-Forwarded-For", "2001:db8::5"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Proto", "https"),
        ("X-Request-Id", "abc"),
    ]
    told = await _ask("10.0.0.1", headers)
    assert told == {"client": "2001:db8::5", "caller": "2001:db8::/64", "scheme": "https", "id": "abc"}


async def test_a_stranger_claims_nothing() -> None:
    headers = [("X-Forwarded-For", "203.0.113.9"), ("X-Forwarded-Proto", "https"), ("X-Request-Id", "abc")]
    assert await _ask("198.51.100.1", headers) == {
        "client": "198.51.100.1",
        "caller": "198.51.100.1",
        "scheme": "http",
        "id": "",
    }


@pytest.mark.parametrize("scheme", ["javascript", "", "https,", "HTTPS , ftp"])
async def test_a_strange_scheme_is_ignored(scheme: str) -> None:
    assert (await _ask("10.0.0.1", [("X-Forwarded-Proto", scheme)]))["scheme"] == "http"
