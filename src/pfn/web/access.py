"""Who asks: a bearer token on the API. Cookies mean nothing there (facts: keys and sessions).

Whoever was recognised is noted in the request's state as ``key_id``, for its log line and its limit.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer
from starlette.requests import HTTPConnection

from pfn.domain.access import Grant, Scope
from pfn.services.access import require
from pfn.services.background import Background
from pfn.services.node import Services
from pfn.web.forwarded import network_of

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


def caller_of(request: HTTPConnection) -> str:
    """Give what a request is counted as coming from: an address, or the network that one customer has."""
    return network_of(request.client.host) if request.client else "unknown"


def bearer_of(request: HTTPConnection) -> str | None:
    """Give the API key that a request carries."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


# The framework calls what is not a coroutine in a thread, for every request.
async def _depend_on_services(request: Request) -> Services:
    return get_services(request)


async def _depend_on_background(request: Request) -> Background:
    return get_background(request)


Node = Annotated[Services, Depends(_depend_on_services)]
Tasks = Annotated[Background, Depends(_depend_on_background)]


def need(scope: Scope) -> Callable[..., Awaitable[Grant]]:
    """Make the dependency that lets a request through whose key has ``scope``.

    It raises PfnError: ``key_required``, ``key_unknown``, ``scope_missing``.
    """

    async def check(request: Request, node: Node, _: Annotated[object, Depends(BEARER)]) -> Grant:
        grant = await node.access.authenticate(bearer_of(request), caller=caller_of(request))
        request.state.key_id = grant.key_id
        require(grant, scope)
        return grant

    return check


Reader = Annotated[Grant, Depends(need(Scope.SOURCES_READ))]
Writer = Annotated[Grant, Depends(need(Scope.SOURCES_WRITE))]
Verifier = Annotated[Grant, Depends(need(Scope.SOURCES_VERIFY))]
Subscriber = Annotated[Grant, Depends(need(Scope.SUBSCRIPTIONS_WRITE))]
MirrorRunner = Annotated[Grant, Depends(need(Scope.MIRROR_RUN))]
LogAdmin = Annotated[Grant, Depends(need(Scope.LOG_ADMIN))]
KeyAdmin = Annotated[Grant, Depends(need(Scope.KEYS_ADMIN))]
