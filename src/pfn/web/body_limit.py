"""Refuse a request body over the limit before it is read: declared or not, it never fills the memory."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pfn.protocol.errors import Code, PfnError
from pfn.web.problem import from_pfn_error


class BodyLimit:
    """ASGI middleware; ``limit`` is in bytes."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives; answer 413 where it grows past the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = PfnError(Code.BODY_TOO_LARGE, f"A request body may have {self._limit} bytes at most.")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limit:
            answer = from_pfn_error(refusal)
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
            return
        seen = 0

        async def count() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise refusal
            return message

        await self._app(scope, count, send)
