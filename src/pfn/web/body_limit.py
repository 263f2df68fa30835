"""Refuse a request body over the limit before it is read: declared or not, it never fills the memory.

A few paths take more than the operator's setting: what their protocol has to say is larger.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.evidence import MAX_BODY_BYTES as MAX_EVIDENCE_BYTES
from pfn.protocol.log.witness import MAX_REQUEST_BYTES as MAX_CHECKPOINT_BYTES
from pfn.web.problem import from_pfn_error

# A site lists every plugin it has, with all their headers: hundreds of them are more than the usual limit.
_MAX_UPDATE_CHECK_BYTES = 2 * 1024 * 1024
_LARGER = {
    "/federation/evidence": MAX_EVIDENCE_BYTES,
    "/witness/add-checkpoint": MAX_CHECKPOINT_BYTES,
    "/plugins/update-check/1.1": _MAX_UPDATE_CHECK_BYTES,
    "/themes/update-check/1.1": _MAX_UPDATE_CHECK_BYTES,
    "/wordpress/plugins/update-check/1.1": _MAX_UPDATE_CHECK_BYTES,
    "/wordpress/themes/update-check/1.1": _MAX_UPDATE_CHECK_BYTES,
}


class BodyLimit:
    """ASGI middleware; ``limit`` is in bytes, of every path that has no larger one of its own."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives; answer 413 where it grows past the limit."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = max(self._limit, _LARGER.get(scope["path"].rstrip("/"), 0))
        refusal = PfnError(Code.BODY_TOO_LARGE, f"A request body may have {limit} bytes at most here.")
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > limit:
            answer = from_pfn_error(refusal)
            answer.headers["Connection"] = "close"
            await answer(scope, receive, send)
            return
        seen = 0

        async def count() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                raise refusal
            return message

        await self._app(scope, count, send)
