"""Request bodies go through the project's one strict JSON reader instead of the framework's."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from pfn.protocol.strict_json import JsonValue, parse_json


class StrictRequest(Request):
    """A request whose JSON may not be ambiguous."""

    async def json(self) -> JsonValue:
        """Read the body. Raises PfnError (``malformed_json``)."""
        body = await self.body()
        # How long it may be was decided before it was read.
        return parse_json(body, max_bytes=len(body))


class StrictRoute(APIRoute):
    """A route whose handlers get strict requests."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap the framework's handler."""
        handle = super().get_route_handler()

        async def strict(request: Request) -> Response:
            return await handle(StrictRequest(request.scope, request.receive))

        return strict
