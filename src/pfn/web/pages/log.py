"""The node's log: how far it is signed, who witnesses it, and what can be done where it is halted."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.protocol.errors import PfnError
from pfn.protocol.log.policy_text import write_policy
from pfn.services.access import require
from pfn.services.node import Services
from pfn.web.access import Node, Tasks
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToPeer
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_HERE = "/log"


@router.get("/log")
async def show_log(request: Request, node: Node, viewer: Seen) -> Response:
    """Show it. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_READ)
    return render(
        request,
        viewer,
        "log.html",
        standing=await node.log.standing(),
        policy=await _write_policy(node),
        halted=await node.log.halted(),
    )


@router.post("/log/resume")
async def resume_log(node: Node, form: ToPeer) -> Response:
    """Take new entries again. Raises PfnError as ``LogService.resume`` does."""
    await node.log.resume(form.grant.key_id)
    return go_to(_HERE, node, gettext("The log takes new entries again."))


@router.post("/log/recover")
async def recover_log(node: Node, tasks: Tasks, form: ToPeer) -> Response:
    """Bring lost entries back from peers. Raises PfnError as ``RecoveryService.recover`` does."""
    recovered = await wait_briefly(tasks, "recover log", node.recovery.recover(form.grant.key_id))
    if recovered is None:
        return go_to(_HERE, node, gettext("It goes on; reload the page to see how it ends."))
    if recovered.peer is None:
        return go_to(_HERE, node, gettext("Nothing was missing. The log takes new entries again."))
    note = ngettext(
        "%(num)s entry came back from %(peer)s. The log takes new ones again.",
        "%(num)s entries came back from %(peer)s. The log takes new ones again.",
        recovered.entries,
        peer=recovered.peer,
    )
    return go_to(_HERE, node, note)


async def _write_policy(node: Services) -> str | None:
    """Write the policy; None where fewer operators witness the log than its settings ask for."""
    try:
        return write_policy(await node.log.policy()).decode()
    except PfnError:
        return None
