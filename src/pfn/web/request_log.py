"""A request's id and its line in the log.

Every answer carries ``X-Request-Id``: the trusted proxy's where it sent a sane one, else a new one; every line that is
logged while the request is under way names it. When it is answered, one line tells what it was. The query is never
logged, for it may hold what is nobody's business, and the path only as it came, percent-encoded, so that nobody forges
a line; keys are known by their id.
"""

import re
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import quote

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bound_contextvars

from pfn.tracing import Attribute, Span, span
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
        request_id = choose_id(Headers(scope=scope).get(REQUEST_ID))
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
        method = scope["method"]
        about: dict[str, Attribute] = {"http.request.method": method, "pfn.request_id": request_id}
        with bound_contextvars(request_id=request_id), span(method, about, "server") as served:
            try:
                await self._app(scope, receive, count)
            finally:
                _tell(served, scope, status)
                _note(scope, status, sent, time.perf_counter() - began)


def choose_id(given: str | None) -> str:
    """Give a request's id: the one that a trusted proxy gave it, or a new one."""
    return given if given and _SANE.fullmatch(given) else secrets.token_hex(8)


class Following:
    """What is to be said of a request that is answered right away (``web.hot``)."""

    __slots__ = ("sent", "status")

    def __init__(self) -> None:
        self.status, self.sent = 0, 0

    def ended(self, status: int, sent: int) -> None:
        """Say how it was answered."""
        self.status, self.sent = status, sent


@contextmanager
def following(scope: Scope, request_id: str, route: str) -> Iterator[Following]:
    """Follow a request that is answered in this block, as ``RequestLog`` does."""
    scope.setdefault("state", {})
    following, began = Following(), time.perf_counter()
    about: dict[str, Attribute] = {"http.request.method": scope["method"], "pfn.request_id": request_id}
    with span(f"{scope['method']} {route}", about, "server") as served:
        try:
            yield following
        finally:
            served.set_attribute("http.route", route)
            served.set_attribute("http.response.status_code", following.status)
            _note(scope, following.status, following.sent, time.perf_counter() - began, request_id=request_id)


def _tell(served: Span, scope: Scope, status: int) -> None:
    """Name a span by the route's template: what strangers make up names nothing."""
    route = getattr(scope.get("route"), "path", None)
    if route is not None:
        served.update_name(f"{scope['method']} {route}")
        served.set_attribute("http.route", route)
    served.set_attribute("http.response.status_code", status)


def _note(scope: Scope, status: int, sent: int, seconds: float, **more: str) -> None:
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
        **more,
    )
