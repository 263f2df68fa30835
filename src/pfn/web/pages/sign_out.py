"""Sign out: the session ends on the node, not only in the browser."""

import hmac

from fastapi import APIRouter, Request, Response

from pfn.protocol.errors import Code, PfnError
from pfn.web.access import Node
from pfn.web.pages.language import gettext
from pfn.web.pages.submission import check_origin, read_form
from pfn.web.pages.template import go_to
from pfn.web.pages.viewer import SESSION, Seen, session_cookie, set_cookie

router = APIRouter(include_in_schema=False)


@router.post("/sign-out")
async def sign_out(request: Request, node: Node, viewer: Seen) -> Response:
    """End the session; without one there is nothing to do. Raises PfnError (``csrf_failed``)."""
    check_origin(request, node)
    cookie = session_cookie(request, node)
    if viewer.session is not None and cookie:
        given = (await read_form(request)).get("csrf", "")
        if not hmac.compare_digest(given.encode(), viewer.csrf.encode()):
            raise PfnError(Code.CSRF_FAILED, "The form does not belong to your session.")
        await node.sessions.sign_out(cookie)
    response = go_to("/", node, gettext("You are signed out."))
    set_cookie(response, node, SESSION, "", max_age=0)
    return response
