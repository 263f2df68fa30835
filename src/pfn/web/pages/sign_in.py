"""Sign in: exchange an API key for a session. The key itself is not kept anywhere."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import RedirectResponse

from pfn.domain.access import Grant
from pfn.protocol.errors import Code, PfnError
from pfn.web.access import Node, caller_of
from pfn.web.pages.submission import check_origin, read_form
from pfn.web.pages.template import render
from pfn.web.pages.viewer import SESSION, Seen, Viewer, session_cookie, set_cookie

router = APIRouter(include_in_schema=False)

_LONGEST_KEY = 400


def require_viewer(viewer: Viewer) -> Grant:
    """Give what a signed-in viewer may do. Raises PfnError (``key_required``)."""
    if viewer.grant is None:
        raise PfnError(Code.KEY_REQUIRED, "This page is for people with an API key of this node.")
    return viewer.grant


@router.get("/sign-in")
async def show_sign_in(
    request: Request, viewer: Seen, after: Annotated[str, Query(alias="next", max_length=1_000)] = "/"
) -> Response:
    """Show the form."""
    return render(request, viewer, "sign_in.html", after=local_path(after), error=None)


@router.post("/sign-in")
async def sign_in(request: Request, node: Node, viewer: Seen) -> Response:
    """Begin a session and go on to where the viewer was heading. Raises PfnError (``csrf_failed``)."""
    check_origin(request, node)
    fields = await read_form(request)
    after = local_path(fields.get("next", "/"))
    try:
        cookie = await node.sessions.sign_in(fields.get("key", "").strip()[:_LONGEST_KEY], caller=caller_of(request))
    except PfnError as error:
        return render(request, viewer, "sign_in.html", error.code.status, after=after, error=error.detail)
    # A session that was there before is not left behind, so no one can have planted it.
    former = session_cookie(request, node)
    if former:
        await node.sessions.sign_out(former)
    response = RedirectResponse(after, 303, headers={"Cache-Control": "no-store"})
    set_cookie(response, node, SESSION, cookie)
    return response


def local_path(text: str) -> str:
    """Give ``text`` where it is a path on this site, else the first page."""
    harmless = text.isprintable() and text.isascii() and "\\" not in text
    return text if harmless and text.startswith("/") and not text.startswith("//") else "/"
