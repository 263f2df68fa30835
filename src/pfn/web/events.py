"""The activity as it happens: server-sent events (WHATWG HTML, section 9.2), for everyone.

A frame's ``id`` is the event's number. A client that lost its connection says the last one it saw and goes on from
there, without gap or double; where what it missed is no longer kept, it is told so (``event: reset``). Without a key
there are the public events; an operator's key brings the private ones, and with the key ends the stream.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Header, Query, Request, Response
from starlette.types import Receive, Scope, Send

from pfn.domain import access
from pfn.domain.access import Grant
from pfn.domain.activity import Activity, ActivityFilter
from pfn.protocol.errors import PfnError
from pfn.services.activity import narrow_to_visible
from pfn.services.live import LiveService, Stream
from pfn.web.access import BEARER, Node, need
from pfn.web.activity_query import Private, Wanted
from pfn.web.strict_route import StrictRoute

log = structlog.get_logger()

router = APIRouter(prefix="/federation", tags=["Activity"], route_class=StrictRoute)

HEARTBEAT_S = 15.0
STALL_S = 30.0
RECONNECT_MS = 2000

_HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-store",
    "Access-Control-Allow-Origin": "*",
    # Proxies that gather answers would hold the events back.
    "X-Accel-Buffering": "no",
}
_recognize = need(access.Scope.SOURCES_READ)


async def recognize(request: Request, node: Node, bearer: Annotated[object, Depends(BEARER)]) -> Grant | None:
    """Give the grant of the key that was sent; None where there is none. Raises PfnError as ``need`` does."""
    return await _recognize(request, node, bearer) if "authorization" in request.headers else None


@router.get("/events", response_class=Response)
async def follow_events(
    grant: Annotated[Grant | None, Depends(recognize)],
    node: Node,
    wanted: Wanted,
    private: Private = None,
    after: Annotated[int | None, Query(ge=0, le=2**62, description="Begin after this event's ``seq``.")] = None,
    last_event_id: Annotated[int | None, Header(ge=0, le=2**62, description="The same, and stronger.")] = None,
) -> Response:
    """Send events as they happen (server-sent events): ``id`` is ``seq``, ``event`` the kind, ``data`` the row."""
    return EventStream(
        node.live,
        narrow_to_visible(grant, replace(wanted, private=private)),
        after if last_event_id is None else last_event_id,
        show=Activity.to_public_json if grant is None else Activity.to_json,
        check=None if grant is None else partial(node.access.authenticate_id, grant.key_id),
    )


class EventStream(Response):
    """An answer that goes on until the client leaves, takes nothing for ``STALL_S``, loses its key, or the node stops.

    ``show`` makes an event's row; ``check`` raises PfnError once the reader may read no longer. Sending raises PfnError
    (``not_ready``) where there are too many streams, as an answer of its own.
    """

    def __init__(
        self,
        live: LiveService,
        wanted: ActivityFilter,
        after: int | None,
        *,
        show: Callable[[Activity], dict[str, object]],
        check: Callable[[], Awaitable[object]] | None = None,
        heartbeat: float = HEARTBEAT_S,
        stall: float = STALL_S,
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(_HEADERS)
        self._live = live
        self._wanted = wanted
        self._after = after
        self._show = show
        self._check = check
        self._heartbeat = heartbeat
        self._stall = stall

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until it ends."""
        del scope
        async with self._live.open(self._wanted, self._after) as stream:
            sending = asyncio.create_task(self._send(stream, send))
            leaving = asyncio.create_task(_leave(receive))
            try:
                await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, leaving):
                    task.cancel()
                outcome, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
            if isinstance(outcome, Exception):
                raise outcome

    async def _send(self, stream: Stream, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            await self._write(send, _begin(stream))
            while (activities := await self._next(stream)) is not None:
                frames = "".join(_frame(activity, self._show(activity)) for activity in activities)
                # Filtered out is seen, too: who comes back need not go through it again.
                await self._write(send, frames or f": \nid: {stream.after}\n\n")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            # The client takes nothing. The server closes a connection whose answer ends in the middle.
            log.info("stream_stalled", after=stream.after)

    async def _next(self, stream: Stream) -> Sequence[Activity] | None:
        found = await self._live.next(stream, self._heartbeat)
        try:
            if self._check is not None:
                await self._check()
        except PfnError:
            return None
        return found

    async def _write(self, send: Send, text: str) -> None:
        async with asyncio.timeout(self._stall):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})


def _begin(stream: Stream) -> str:
    """Say how soon to come back and from where, and whether something was missed."""
    begin = f"retry: {RECONNECT_MS}\nid: {stream.after}\n"
    return begin + (f'event: reset\ndata: {{"after": {stream.after}}}\n\n' if stream.missed else "\n")


def _frame(activity: Activity, row: dict[str, object]) -> str:
    # No line of the data can end early: JSON writes line ends as escapes.
    return f"id: {activity.seq}\nevent: {activity.type.value}\ndata: {json.dumps(row)}\n\n"


async def _leave(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
