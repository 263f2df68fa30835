"""A connection of a fake publisher that has many: HTTP/1.1 as far as the node's client speaks it, and nothing more.

Requests in a row, bodies with a length; one function answers them all, at once, or hangs up. It is an asyncio protocol
because streams cost several times as much, and a thousand publishers live in one process with the node they feed.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias, cast

from pfn.testing.faults import Answer

# Method, target, headers with names in lower case, body; None is to hang up.
Answerer: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], Answer | None]

_HEAD_END: Final = b"\r\n\r\n"


class Connection(asyncio.Protocol):
    """One connection; it keeps itself in ``open_ones`` while it lives."""

    def __init__(self, answer: Answerer, open_ones: "set[Connection]") -> None:
        self._answer = answer
        self._open_ones = open_ones
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # uvloop's is one though no instance of it.
        self._transport = cast("asyncio.Transport", transport)
        self._open_ones.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._open_ones.discard(self)

    def close(self) -> None:
        """Hang up."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        self._received += data
        while (end := self._received.find(_HEAD_END)) >= 0:
            request_line, *lines = self._received[:end].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body_at = end + len(_HEAD_END)
            after = body_at + int(headers.get("content-length", "0"))
            if len(self._received) < after:
                return
            body, self._received = self._received[body_at:after], self._received[after:]
            method, target, _ = request_line.split(" ")
            answer = self._answer(method, target, headers, body)
            if answer is None:
                self.close()
                return
            self._transport.write(answer.head() + answer.body)
