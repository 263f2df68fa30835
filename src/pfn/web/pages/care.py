"""Care of the data: how the stored zips stand, the look over them, the garbage and the old releases in short."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.schedule import Work
from pfn.services.access import require
from pfn.web.access import Node, Tasks
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToMirror
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_HERE = "/care"


@router.get("/care")
async def show_care(request: Request, node: Node, viewer: Seen) -> Response:
    """Show it. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    return render(
        request,
        viewer,
        "care.html",
        scrub=await node.scrubs.status(),
        scrub_due=await node.schedule.find(Work.SCRUB),
        collect_due=await node.schedule.find(Work.COLLECT),
        grace_days=node.garbage.grace_days,
        policy=node.retention.policy,
        retired=await node.retention.standing(),
    )


@router.post("/care/scrub")
async def scrub(node: Node, tasks: Tasks, form: ToMirror) -> Response:
    """Look over all stored zips, or go on where that was not done. Raises PfnError (``wrong_state``)."""
    del form
    outcome = await wait_briefly(tasks, "scrub", node.scrubs.run(await node.scrubs.begin()))
    if outcome is None:
        return go_to(_HERE, node, gettext("The zips are being looked over; this page shows how far that is."))
    damaged = (await node.scrubs.status()).damaged
    if damaged:
        return go_to(_HERE, node, gettext("The zips were looked over; some are damaged still."))
    return go_to(_HERE, node, gettext("The zips were looked over; all are whole."))
