"""Who really asks, where proxies stand in between (RFC 7239's older cousin, ``X-Forwarded-For``).

Every proxy writes down whom it was asked by, at the right end of what it was told; only what a trusted proxy wrote is
believed. So the hops are read from the right, and the first that is no trusted proxy is who asks: whatever stands
further left, anybody may have made up. What cannot be read ends the search at the hop before, and crashes nothing.
``X-Forwarded-Proto`` and ``X-Request-Id`` too are taken from trusted proxies alone.
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

REQUEST_ID = "x-request-id"
_FOR, _PROTO = "x-forwarded-for", "x-forwarded-proto"
_CUSTOMER_BITS = 64
_MOST_KNOWN = 4_096


class TrustedProxies:
    """The proxies that are believed, by address or network. Raises ValueError for what is neither."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = tuple(ip_network(text, strict=False) for text in networks)

    def trust(self, host: str) -> bool:
        """Tell whether a host is one of them."""
        if not self._networks:
            return False
        address = read_address(host)
        return address is not None and any(address in network for network in self._networks)

    def find_client(self, peer: str, forwarded: Iterable[str]) -> str:
        """Give the address that asks: ``peer`` is who connected, ``forwarded`` its ``X-Forwarded-For`` lines."""
        client = peer
        hops = [hop for line in forwarded for hop in line.split(",")]
        while hops and self.trust(client):
            address = read_address(_without_port(hops.pop().strip()))
            if address is None:
                break
            client = str(address)
        return client


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; an IPv4 address in IPv6's clothes is given as what it is. None for anything else."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


@lru_cache(_MOST_KNOWN)  # behind a proxy it is the same few all day
def network_of(host: str) -> str:
    """Give what an address is counted as: an IPv6 customer has a whole /64 to ask from."""
    address = read_address(host)
    if isinstance(address, IPv6Address):
        return f"{IPv6Address(int(address) >> _CUSTOMER_BITS << _CUSTOMER_BITS)}/{_CUSTOMER_BITS}"
    return host if address is None else str(address)


def _without_port(hop: str) -> str:
    """Some proxies write the port too: ``192.0.2.1:1234``, ``[2001:db8::1]:1234``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


class Forwarded:
    """ASGI middleware: whatever is inside sees who really asks, and no claim of somebody who is not trusted."""

    def __init__(self, app: ASGIApp, *, proxies: TrustedProxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Put the client and the scheme right."""
        if scope["type"] == "http":
            scope = see_through(scope, self._proxies)
        await self._app(scope, receive, send)


def see_through(scope: Scope, proxies: TrustedProxies) -> Scope:
    """Give a request as whoever really asks made it: client and scheme put right, and no claim left of anybody else."""
    peer = scope["client"][0] if scope.get("client") else ""
    if not proxies.trust(peer):
        name = REQUEST_ID.encode()
        return {**scope, "headers": [one for one in scope["headers"] if one[0].lower() != name]}
    headers = Headers(scope=scope)
    believed: dict[str, object] = {"client": (proxies.find_client(peer, headers.getlist(_FOR)), 0)}
    scheme = ",".join(headers.getlist(_PROTO)).rpartition(",")[2].strip().lower()
    if scheme in {"http", "https"}:
        believed["scheme"] = scheme
    return {**scope, **believed}
