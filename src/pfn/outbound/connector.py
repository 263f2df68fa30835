"""The socket guard: no packet leaves for an address that was not judged.

Answers for the last step before the network. Whatever path led here (resolver, literal in the URL, a change
inside the HTTP library), every socket is opened by ``_open_socket``, which judges its address; and once
connected, before a byte of a request is sent, the peer must be one of the addresses this very request
dialled (facts: fetch and zip safety, fetching rule 3). Connections are kept per scheme, host and port, so
one that was judged for a host is never used for another. Server name, certificate and Host header come from
the URL's host, never from an address.
"""

import socket
import ssl
from contextvars import ContextVar
from dataclasses import dataclass, field
from ipaddress import ip_address

from aiohttp import AddrInfoType, ClientConnectionError, ClientRequest, ClientTimeout, TCPConnector
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from pfn.outbound.address import Address
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.resolver import AddressRefused, JudgingResolver


@dataclass(frozen=True, slots=True)
class _Dial:
    """One request's way to a connection; stays empty when a kept connection is used."""

    host: str
    peers: set[tuple[Address, int]] = field(default_factory=set)


# Attempts race each other in tasks of their own; a context variable reaches them all.
_dial: ContextVar[_Dial] = ContextVar("dial")


class GuardedConnector(TCPConnector):
    """aiohttp's connection pool behind the policy. ``ssl_context`` None means the system's trust store."""

    def __init__(
        self, policy: OutboundPolicy, resolver: JudgingResolver, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(
            resolver=resolver,
            use_dns_cache=False,
            limit=0,
            ssl=ssl_context or True,
            socket_factory=self._open_socket,
        )
        self._policy = policy

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: ClientTimeout,  # noqa: ASYNC109
    ) -> Connection:
        """Return a kept or a new connection; a new one only to a peer that was judged."""
        dial = _Dial(req.url.raw_host or "")
        token = _dial.set(dial)
        try:
            connection = await super().connect(req, traces, timeout)
            # Bytes that came in while nobody asked would be taken for the answer to this request.
            while not dial.peers and (connection.protocol is None or connection.protocol.should_close):
                connection.close()
                connection = await super().connect(req, traces, timeout)
        finally:
            _dial.reset(token)
        if dial.peers:
            self._compare_peer(connection, dial)
        return connection

    def _open_socket(self, addr_info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, sockaddr = addr_info
        dial = _dial.get()
        address, port = ip_address(sockaddr[0]), int(sockaddr[1])
        reason = self._policy.refusal(dial.host, address)
        if reason is not None:
            raise AddressRefused(f"{dial.host} leads to {address}", reason)
        dial.peers.add((address, port))
        return socket.socket(family, kind, protocol)

    def _compare_peer(self, connection: Connection, dial: _Dial) -> None:
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        if peer is None or (ip_address(peer[0]), peer[1]) not in dial.peers:
            connection.close()
            raise ClientConnectionError(f"{dial.host} was reached at {peer}, which was not dialled")
