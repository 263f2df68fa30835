"""The quarantine: what failed a check, why, and since when; look at it again, or drop it.

Dropping asks first. Nothing here can be downloaded or let through: the only way in is the next sync.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node, Tasks
from pfn.web.pages.evidence import unpack
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.refusal import explain
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToMirror
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_HERE = "/quarantine"
_PAGE = 50
ItemId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.get("/quarantine")
async def show_quarantine(
    request: Request,
    node: Node,
    viewer: Seen,
    source: Annotated[str, Query(max_length=400)] = "",
    code: Annotated[str, Query(max_length=64)] = "",
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Show what is kept apart, of all sources or of one, for all reasons or for one.

    Raises PfnError: ``key_required``, ``scope_missing``.
    """
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    found = await node.quarantine.page(
        source_id=source or None, code=code or None, limit=_PAGE, offset=(page - 1) * _PAGE
    )
    asked = {"source": source} if source else {}
    return render(
        request,
        viewer,
        "quarantine.html",
        items=found.items,
        codes=found.codes,
        of_source=source,
        of_code=code,
        asked=asked,
        page=page,
        next=asked | ({"code": code} if code else {}) | {"page": page + 1} if found.more else None,
    )


@router.get("/quarantine/{item_id}")
async def show_quarantined(item_id: ItemId, request: Request, node: Node, viewer: Seen) -> Response:
    """Show one item: what that kind of refusal means, every finding, its digest, the statement that came with it.

    Raises PfnError: ``key_required``, ``scope_missing``, ``quarantine_unknown``.
    """
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    item = await node.quarantine.get(item_id)
    statement = None if item.statement is None else unpack(item.statement)
    return render(request, viewer, "quarantine_item.html", item=item, explained=explain(item.code), statement=statement)


@router.post("/quarantine/{item_id}/recheck")
async def recheck_quarantined(item_id: ItemId, node: Node, tasks: Tasks, form: ToMirror) -> Response:
    """Judge an item's bytes again. Raises PfnError: ``quarantine_unknown``, ``wrong_state``."""
    work = node.quarantine.recheck(form.grant.key_id, item_id)
    look = await wait_briefly(tasks, f"recheck {item_id}", work)
    if look is None:
        return go_to(_HERE, node, gettext("The second look takes its time; reload the page to see how it ends."))
    note = f"{look.item.plugin_id} {look.item.version}: {look.sentence}"
    return go_to(_HERE if look.released else f"{_HERE}/{item_id}", node, note)


@router.get("/quarantine/{item_id}/drop")
async def show_drop_quarantined(item_id: ItemId, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``quarantine_unknown``."""
    require(require_viewer(viewer), Scope.MIRROR_RUN)
    return render(request, viewer, "quarantine_drop.html", item=await node.quarantine.get(item_id))


@router.post("/quarantine/{item_id}/drop")
async def drop_quarantined(item_id: ItemId, node: Node, form: ToMirror) -> Response:
    """Delete an item and its bytes. Raises PfnError (``quarantine_unknown``)."""
    item = await node.quarantine.drop(form.grant.key_id, item_id)
    note = gettext(
        "%(plugin)s %(version)s of %(source)s was dropped; the next sync tries it afresh.",
        plugin=item.plugin_id,
        version=item.version,
        source=item.source_id,
    )
    return go_to(_HERE, node, note)
