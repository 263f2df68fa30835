"""The settings in force: each with what it means and where its value came from. They are read here, not changed."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/settings")
async def show_settings(request: Request, node: Node, viewer: Seen) -> Response:
    """Show them, those that somebody set first. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    return render(
        request,
        viewer,
        "settings.html",
        given=[one for one in node.settings if one.origin != "default"],
        defaults=[one for one in node.settings if one.origin == "default"],
    )
