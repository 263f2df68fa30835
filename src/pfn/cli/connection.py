"""A connection that waits for its client, but not for ever: who sends a request byte by byte holds nobody's place.

The server below closes connections on which nothing is asked again, and waits without end for a request that began and
does not go on ("slow loris"). Here a request's head must be there in ``HEAD_S`` seconds and its body in ``BODY_S``, and
a head has its largest size, to which comes what one read gives. Reading slowly what is answered is not judged here:
live streams may be read for days, and what they leave unread ends them (``web.events``).
"""

import asyncio
from typing import Literal

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

log = structlog.get_logger()

HEAD_S = 15.0
BODY_S = 60.0
HEAD_BYTES = 64 * 1024

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 30\r\nconnection: close\r\n\r\n"
    b"The request head is too large."
)


class PatientConnection(HttpToolsProtocol):
    """The server's connection, with an end to its patience."""

    _awaited: Literal["head", "body"] | None = None
    _head_bytes = 0
    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._awaited = "head"
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take what came. Most requests come whole, and need no watching."""
        before = self._awaited
        super().data_received(data)
        if self._awaited is None and self._is_idle():
            # Empty lines between requests, or the rest of a body that was answered already.
            self._awaited = "head"
        self._head_bytes = self._head_bytes + len(data) if self._awaited == before == "head" else 0
        if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        self._watch()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._forget()
        self._awaited = "head"

    def on_headers_complete(self) -> None:
        """A head is there."""
        super().on_headers_complete()
        self._forget()
        self._awaited = "body"

    def on_message_complete(self) -> None:
        """A request is there."""
        super().on_message_complete()
        self._forget()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._forget()
        super().connection_lost(exc)

    def _is_idle(self) -> bool:
        return self.timeout_keep_alive_task is None and (self.cycle is None or self.cycle.response_complete)

    def _watch(self) -> None:
        if self._awaited is not None and self._patience is None and not self.transport.is_closing():
            seconds = HEAD_S if self._awaited == "head" else BODY_S
            self._patience = self.loop.call_later(seconds, self._give_up)

    def _forget(self) -> None:
        self._awaited = None
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        log.info("client_too_slow", awaited=self._awaited, address=self.client[0] if self.client else None)
        self._forget()
        self.transport.close()
