"""Garbage: a page that says what would be deleted, then the deed."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node, Tasks
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToMirror
from pfn.web.pages.template import go_to, render
from pfn.web.pages.text import size
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_NEXT = "/care"


@router.get("/care/garbage")
async def show_garbage(request: Request, node: Node, viewer: Seen) -> Response:
    """Look through the store and ask. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    found = await node.garbage.look()
    return render(request, viewer, "care_garbage.html", found=found, grace_days=found.grace_s // 86_400)


@router.post("/care/garbage")
async def collect_garbage(node: Node, tasks: Tasks, form: ToMirror) -> Response:
    """Delete it. Raises PfnError (``wrong_state``)."""
    gone = await wait_briefly(tasks, "collect garbage", node.garbage.collect(form.grant.key_id))
    if gone is None:
        return go_to(_NEXT, node, gettext("Garbage is being collected; reload the page to see how it ends."))
    zips = gone.blobs + gone.quarantined
    note = ngettext(
        "%(num)s zip was deleted, %(size)s.", "%(num)s zips were deleted, %(size)s.", zips, size=size(gone.bytes)
    )
    return go_to(_NEXT, node, note)
