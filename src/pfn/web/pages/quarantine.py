"""The quarantine: what failed a check, why, and since when; look at it again, or drop it.

Dropping asks first. Nothing here can be downloaded or let through: the only way in is the next sync.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from pfn.domain.access import Scope
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.web.access import Node, Tasks
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToMirror
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_HERE = "/quarantine"
ItemId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/quarantine")
async def show_quarantine(
    request: Request, node: Node, viewer: Seen, source: Annotated[str, Query(max_length=400)] = ""
) -> Response:
    """Show what is kept apart, of all sources or of one. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    items = await node.quarantine.list(source_id=source or None)
    return render(request, viewer, "quarantine.html", items=items, of_source=source)


@router.post("/quarantine/{item_id}/recheck")
async def recheck_quarantined(item_id: ItemId, node: Node, tasks: Tasks, form: ToMirror) -> Response:
    """Judge an item's bytes again. Raises PfnError: ``quarantine_unknown``, ``wrong_state``."""
    work = node.quarantine.recheck(form.grant.key_id, item_id)
    look = await wait_briefly(tasks, f"recheck {item_id}", work)
    if look is None:
        return go_to(_HERE, node, "The second look takes its time; reload the page to see how it ends.")
    return go_to(_HERE, node, f"{look.item.plugin_id} {look.item.version}: {look.sentence}")


@router.get("/quarantine/{item_id}/drop")
async def show_drop_quarantined(item_id: ItemId, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``quarantine_unknown``."""
    require(require_viewer(viewer), Scope.MIRROR_RUN)
    item = next((one for one in await node.quarantine.list() if one.id == item_id), None)
    if item is None:
        raise PfnError(Code.QUARANTINE_UNKNOWN, f"Nothing in quarantine has the id {item_id}.")
    return render(request, viewer, "quarantine_drop.html", item=item)


@router.post("/quarantine/{item_id}/drop")
async def drop_quarantined(item_id: ItemId, node: Node, form: ToMirror) -> Response:
    """Delete an item and its bytes. Raises PfnError (``quarantine_unknown``)."""
    item = await node.quarantine.drop(form.grant.key_id, item_id)
    note = f"{item.plugin_id} {item.version} of {item.source_id} was dropped; the next sync tries it afresh."
    return go_to(_HERE, node, note)
