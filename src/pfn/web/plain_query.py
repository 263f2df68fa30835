"""Refuse a NUL in an address: no name, word or cursor has one, and PostgreSQL cannot even be asked about it."""

from starlette.types import ASGIApp, Receive, Scope, Send

from pfn.protocol.errors import Code, PfnError
from pfn.web.problem import from_pfn_error


class PlainQuery:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 422 where the path or the query has a NUL."""
        if scope["type"] == "http" and (b"%00" in scope["query_string"] or "\0" in scope["path"]):
            refusal = PfnError(Code.INVALID_FIELD, "The address has a NUL character in it; no name here has one.")
            await from_pfn_error(refusal)(scope, receive, send)
            return
        await self._app(scope, receive, send)
