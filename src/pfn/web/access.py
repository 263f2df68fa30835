"""Who asks: a bearer token on the API. Cookies mean nothing there (facts: keys and sessions)."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from pfn.domain.access import Grant, Scope
from pfn.services.access import require
from pfn.services.background import Background
from pfn.services.node import Services

BEARER = HTTPBearer(auto_error=False, scheme_name="API key", description="An API key of this node, as a bearer token.")


def get_services(request: Request) -> Services:
    """Give the node's use cases to a handler."""
    services = request.app.state.services
    assert isinstance(services, Services)  # the composition root put it there
    return services


def get_background(request: Request) -> Background:
    """Give the node's background tasks to a handler."""
    background = request.app.state.background
    assert isinstance(background, Background)  # the composition root put it there
    return background


def caller_of(request: Request) -> str:
    """Give the address a request came from."""
    return request.client.host if request.client else "unknown"


Node = Annotated[Services, Depends(get_services)]
Tasks = Annotated[Background, Depends(get_background)]


def need(scope: Scope) -> Callable[..., Awaitable[Grant]]:
    """Make the dependency that lets a request through whose key has ``scope``.

    It raises PfnError: ``key_required``, ``key_unknown``, ``scope_missing``.
    """

    async def check(request: Request, node: Node, _: Annotated[object, Depends(BEARER)]) -> Grant:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        text = token.strip() if scheme.lower() == "bearer" else None
        grant = await node.access.authenticate(text, caller=caller_of(request))
        require(grant, scope)
        return grant

    return check


Reader = Annotated[Grant, Depends(need(Scope.SOURCES_READ))]
Writer = Annotated[Grant, Depends(need(Scope.SOURCES_WRITE))]
Verifier = Annotated[Grant, Depends(need(Scope.SOURCES_VERIFY))]
Subscriber = Annotated[Grant, Depends(need(Scope.SUBSCRIPTIONS_WRITE))]
MirrorRunner = Annotated[Grant, Depends(need(Scope.MIRROR_RUN))]
KeyAdmin = Annotated[Grant, Depends(need(Scope.KEYS_ADMIN))]
