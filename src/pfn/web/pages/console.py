"""The operator's overview: what needs a person now, what runs, how the node stands, what came lately."""

from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.services.measure import NodeDay
from pfn.web.access import Node
from pfn.web.pages.chart import Chart, Series, draw_bars, draw_lines
from pfn.web.pages.console_needs import list_needs
from pfn.web.pages.language import gettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.text import size
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_EVENTS = 8
_SOON_DAYS = 14


@router.get("/console")
async def show_console(request: Request, node: Node, viewer: Seen) -> Response:
    """Show the overview. Raises PfnError: ``key_required``, ``scope_missing``."""
    grant = require_viewer(viewer)
    require(grant, Scope.SOURCES_WRITE)
    measured = await node.measures.measure()
    readiness = await node.readiness.check()
    expiring = await node.access.list_expiring(grant, within_days=_SOON_DAYS)
    return render(
        request,
        viewer,
        "console.html",
        needs=list_needs(viewer, measured, readiness, expiring, node.warnings, node.clock()),
        running=await node.sync_history.list_running(),
        measured=measured,
        readiness=readiness,
        standing=await node.log.standing(),
        charts=_draw(await node.measures.history()),
        activity=await node.activities.list(grant, limit=_EVENTS),
    )


def _draw(days: Sequence[NodeDay]) -> list[Chart]:
    starts = [day.at for day in days]
    mirrored = Series(gettext("Versions"), [day.mirrored for day in days])
    stored = Series(gettext("Stored"), [day.stored for day in days], lambda value: size(int(value)))
    return [
        draw_bars("mirrored-days", gettext("Versions mirrored, by day"), starts, mirrored),
        draw_lines("stored-days", gettext("Bytes stored"), starts, [stored]),
    ]
