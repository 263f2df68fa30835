"""The activity: what happened on this node, newest first, for whoever may read it through the API."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/activity")
async def show_activity(
    request: Request, node: Node, viewer: Seen, before: Annotated[int | None, Query(ge=1)] = None
) -> Response:
    """Show one page of the activity. Raises PfnError: ``key_required``, ``scope_missing``."""
    grant = require_viewer(viewer)
    require(grant, Scope.SOURCES_READ)
    page = await node.activities.list(grant, before=before)
    return render(request, viewer, "activity.html", activity=page, before=before)
