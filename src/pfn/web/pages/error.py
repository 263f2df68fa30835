"""Errors for people: the same closed list as for programs, with what to do about it.

A browser on a page gets a page; the API, and whoever does not ask for HTML, gets the problem document.
"""

import json
from collections.abc import Awaitable, Callable

from fastapi import Request, Response

from pfn.web.pages import words
from pfn.web.pages.language import N_, Words
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Viewer, recognize_viewer
from pfn.web.problem import ProblemResponse

_FOR_PROGRAMS = ("/federation", "/openapi.json", "/puc/", "/mpp/")
_TO_DO = Words(
    {
        "key_required": N_("Sign in with an API key of this node, then try again."),
        "key_unknown": N_("Sign in again with a key that is still valid."),
        "scope_missing": N_("Sign in with a key that has this scope, or ask the operator for one."),
        "csrf_failed": N_("Go back, reload the page and send the form again. If that does not help, sign in again."),
        "invalid_field": N_("Go back, correct the field and send the form again."),
        "not_found": N_("Check the address, or start from the first page."),
        "source_unknown": N_("It may have been removed. The first page lists the sources there are."),
        "plugin_unknown": N_("It may have been withdrawn. Search for it on the first page."),
        "release_unknown": N_("The plugin's page lists the versions there are."),
        "source_not_verified": N_("Open the source's page, verify it, and try again."),
        "release_yanked": N_("A yanked version can still be had by its number; the plugin's page tells how."),
        "release_blocked": N_("The plugin's page lists the other versions."),
        "release_retired": N_("The plugin's page lists the other versions."),
        "quarantine_unknown": N_("It may have been let go in the meantime; the quarantine's page shows what is left."),
        "source_gated": N_("Look at the evidence on the source's page, then decide."),
        "source_suspended": N_("The operator can resume the source on its page."),
        "wrong_state": N_("Reload its page: its state may have changed in the meantime."),
        "webhook_unknown": N_("It may have been removed. The page of webhooks lists those there are."),
        "internal": N_("Try again. If it happens again, tell the operator the number above."),
    }
)

Handler = Callable[[Request, Exception], Awaitable[ProblemResponse]]


def for_browsers(handle: Handler) -> Callable[[Request, Exception], Awaitable[Response]]:
    """Make an error handler that shows a page where a person asked, from one that answers programs."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = await handle(request, error)
        return await _show(request, problem) if wants_page(request) else problem

    return answer


def wants_page(request: Request) -> bool:
    """Tell whether a request is a person's: outside the API, and preferring HTML to JSON."""
    if request.url.path.startswith(_FOR_PROGRAMS):
        return False
    accepted = _read_accept(request.headers.get("accept", ""))
    return accepted.get("text/html", 0.0) > max(
        accepted.get(kind, accepted.get("*/*", 0.0)) for kind in ("application/json", "application/problem+json")
    )


async def _show(request: Request, problem: ProblemResponse) -> Response:
    told = json.loads(bytes(problem.body))
    # After a fault of the node itself nothing more is asked of it, not even who is looking.
    viewer = Viewer() if "incident" in told else await recognize_viewer(request)
    page = render(
        request,
        viewer,
        "error.html",
        problem.status_code,
        problem=told,
        title=words.REASON.get(told["code"], told["title"]),
        to_do=_TO_DO.get(told["code"]),
        back=_page_of(request),
        signs_in=told["code"] in {"key_required", "key_unknown"},
    )
    for name in ("allow", "www-authenticate", "retry-after"):
        if name in problem.headers:
            page.headers[name] = problem.headers[name]
    return page


def _page_of(request: Request) -> str:
    """Give the page a request came from: itself where it asked to see one, else the page that holds its form."""
    path = request.url.path
    if request.method in {"GET", "HEAD"}:
        return path
    if path.startswith("/quarantine/"):
        return "/quarantine"
    if path.startswith("/webhooks/") or (path.startswith("/sources/") and path != "/sources/add"):
        return path.rpartition("/")[0]
    return "/sources/add" if path == "/sources/add" else "/"


def _read_accept(header: str) -> dict[str, float]:
    accepted = {}
    for part in header.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = next((piece[2:] for piece in parameters if piece.startswith("q=")), "1")
        try:
            accepted[kind.lower()] = float(weight)
        except ValueError:
            continue
    return accepted
