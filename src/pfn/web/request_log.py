"""A request's id and its line in the log.

Every answer carries ``X-Request-Id``: the trusted proxy's where it sent a sane one, else a new one; every line that is
logged while the request is under way names it. When it is answered, one line tells what it was. The query is never
logged, for it may hold what is nobody's business, and the path only as it came, percent-encoded, so that nobody forges
a line; keys are known by their id.
"""

import re
import secrets
import time
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from pfn.web.forwarded import REQUEST_ID

log = structlog.get_logger()

_SANE = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LONGEST_PATH = 500
# What asks every few seconds is no news while all is well.
_PROBES = ("/livez", "/readyz", "/metrics")


class RequestLog:
    """ASGI middleware; inside ``Forwarded``, which leaves only ids that may be believed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Give the request its id, and log it when it is done."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID, "")
        request_id = given if _SANE.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})
        status, sent = 0, 0

        async def count(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = request_id
            sent += len(message.get("body", b""))
            await send(message)

        began = time.perf_counter()
        with bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, count)
            finally:
                _note(scope, status, sent, time.perf_counter() - began)


def _note(scope: Scope, status: int, sent: int, seconds: float) -> None:
    """Write the line; status 0 stands for a request that ended without an answer."""
    healthy_probe = scope["path"] in _PROBES and status == HTTPStatus.OK
    write = log.debug if healthy_probe else log.info
    write(
        "request",
        method=scope["method"],
        path=(scope.get("raw_path") or quote(scope["path"]).encode()).decode("ascii", "replace")[:_LONGEST_PATH],
        status=status,
        ms=round(seconds * 1000, 1),
        bytes=sent,
        key=scope["state"].get("key_id"),
        address=scope["client"][0] if scope.get("client") else None,
    )
