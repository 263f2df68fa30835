"""Who looks at a page: the session behind the cookie (facts: keys and sessions).

The cookie is ``__Host-pfn`` where clients reach the node encrypted: no other host can set it and it never travels in
the clear. A node on plain http, for development, has to do with ``pfn``.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from fastapi import Depends, Request, Response

from pfn.domain.access import Grant, Scope
from pfn.protocol.errors import Code, PfnError
from pfn.services.node import Services
from pfn.services.session import SignedIn
from pfn.storage.attention import Attention
from pfn.web.access import get_services

SESSION = "pfn"


_NOTHING = Attention()


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody, signed in or not.

    Operators are told on every page how much ``waits`` for them, and why the log is ``halted`` if it is.
    """

    session: SignedIn | None = None
    waits: Attention = _NOTHING
    halted: str | None = None

    @property
    def grant(self) -> Grant | None:
        """What a signed-in viewer may do."""
        return self.session.grant if self.session else None

    @property
    def csrf(self) -> str:
        """The token that the viewer's forms carry; only who is signed in has forms that change something."""
        return self.session.csrf if self.session else ""

    @property
    def is_operator(self) -> bool:
        """Whether the viewer runs this node."""
        return self.session is not None and self.session.grant.is_operator

    def may(self, scope: Scope) -> bool:
        """Tell whether the viewer has a scope."""
        return self.session is not None and scope in self.session.grant.scopes


def is_encrypted(node: Services) -> bool:
    """Tell whether clients reach the node over https."""
    return node.address.startswith("https://")


def set_cookie(response: Response, node: Services, name: str, value: str, *, max_age: int | None = None) -> None:
    """Set a cookie for this node's pages alone; without ``max_age`` (seconds) it ends with the browser."""
    response.set_cookie(
        cookie_name(node, name),
        value,
        max_age=max_age,
        path="/",
        secure=is_encrypted(node),
        httponly=True,
        samesite="strict",
    )


def cookie_name(node: Services, name: str) -> str:
    """Give a cookie's name as the browser knows it."""
    return f"__Host-{name}" if is_encrypted(node) else name


def session_cookie(request: Request, node: Services) -> str | None:
    """Give the session cookie that came with a request."""
    return request.cookies.get(cookie_name(node, SESSION))


async def recognize_viewer(request: Request) -> Viewer:
    """Give the viewer of a request."""
    node = get_services(request)
    viewer = Viewer(await node.sessions.recognize(session_cookie(request, node)))
    if viewer.grant is not None:
        request.state.key_id = viewer.grant.key_id
    if not viewer.is_operator:
        return viewer
    return replace(viewer, waits=await node.attention.count(), halted=await node.log.halted())


async def recognize_reader(viewer: Annotated[Viewer, Depends(recognize_viewer)], request: Request) -> Viewer:
    """Give the viewer of a page that is for everyone, unless the catalogue is closed: then for who is signed in.

    Raises PfnError (``key_required``).
    """
    if viewer.grant is None and not get_services(request).open_catalogue:
        raise PfnError(Code.KEY_REQUIRED, "This node shows what it holds only to people with an API key of it.")
    return viewer


Seen = Annotated[Viewer, Depends(recognize_viewer)]
Reading = Annotated[Viewer, Depends(recognize_reader)]
