"""Remove a source: first a page that says what it would do, then the deed."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to, render
from pfn.web.pages.text import count
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/sources/{source_id}/remove")
async def show_remove_source(source_id: str, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``source_unknown``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    overview = await node.source_reports.overview(source_id)
    return render(request, viewer, "source_remove.html", overview=overview, source=overview.source)


@router.post("/sources/{source_id}/remove")
async def remove_source(source_id: str, node: Node, form: ToWrite) -> Response:
    """Remove. Raises PfnError (``source_unknown``)."""
    purge = form.text("purge") == "yes"
    removal = await node.sources.remove(form.grant.key_id, source_id, purge=purge)
    note = gettext(
        "%(source)s is removed. %(plugins)s no longer offered, %(subscriptions)s ended.",
        source=source_id,
        plugins=count(removal.plugins_withdrawn, "plugin"),
        subscriptions=count(removal.subscriptions_ended, "subscription"),
    )
    if purge:
        many = removal.releases_deleted
        note += " " + ngettext("%(num)s release deleted for good.", "%(num)s releases deleted for good.", many)
    return go_to("/sources", node, note)
