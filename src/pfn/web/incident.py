"""The last resort: a fault of ours becomes an answer under a number, inside of what every answer must pass through.

The framework has a place for this too, but outside of all middleware: there the answer would lack its security headers
and its id. The exception goes on after it was answered, for the server to end the connection by.
"""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class LastResort:
    """ASGI middleware; ``answer`` logs the exception and gives what is sent."""

    def __init__(self, app: ASGIApp, *, answer: Callable[[Request, Exception], Awaitable[Response]]) -> None:
        self._app = app
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what nothing else did, unless an answer is under way."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = False

        async def watch(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception as error:
            answer = await self._answer(Request(scope), error)
            if not began:
                await answer(scope, receive, send)
            raise
