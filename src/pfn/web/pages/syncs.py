"""Syncs: what runs now, how the last ones went, and what did not come through, to be tried again."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator, Field

from pfn.domain.access import Scope
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.web.access import Node, Tasks
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.source_sync import describe_sync
from pfn.web.pages.submission import ToMirror
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_HERE = "/syncs"
_MOST_DIGITS = 18
# A form sends its empty field too.
Name = Annotated[Annotated[str, Field(max_length=400)] | None, BeforeValidator(lambda given: given or None)]
Cursor = Annotated[int | None, Query(ge=1, le=2**63 - 1)]


@router.get("/syncs")
async def show_syncs(
    request: Request,
    node: Node,
    viewer: Seen,
    source: Name = None,
    before: Cursor = None,
    failed: Cursor = None,
) -> Response:
    """Show the syncs of all sources or of one; ``before`` and ``failed`` are cursors of syncs and of failures.

    Raises PfnError: ``key_required``, ``scope_missing``.
    """
    require(require_viewer(viewer), Scope.SOURCES_READ)
    running = await node.sync_history.list_running()
    return render(
        request,
        viewer,
        "syncs.html",
        running=[one for one in running if source in {None, one.source_id}],
        ended=await node.sync_history.list_ended(source_id=source, before=before),
        failures=await node.sync_history.list_failures(source_id=source, before=failed),
        of_source=source,
        asked={"source": source} if source else {},
        before=before,
        failed=failed,
    )


@router.post("/syncs/retry")
async def try_again(node: Node, tasks: Tasks, form: ToMirror) -> Response:
    """Sync a source, and with it try what failed: one ``failure``, or without it all of the source's.

    Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``, ``not_found``,
    ``invalid_field``.
    """
    source_id = form.text("source", longest=400)
    given = form.text("failure")
    if given and not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise PfnError(Code.INVALID_FIELD, "failure: must be a number.")
    found = await node.sync_history.let_try_again(source_id, int(given) if given else None)
    begun = await node.syncs.begin(source_id)
    if begun.lease is None:
        note = ngettext(
            "A sync of %(source)s is running; the next one tries %(num)s thing again.",
            "A sync of %(source)s is running; the next one tries %(num)s things again.",
            len(found),
            source=source_id,
        )
        return go_to(_HERE, node, note)
    outcome = await wait_briefly(tasks, f"sync {source_id}", node.syncs.run(begun.sync, begun.lease))
    what = gettext("Tried again what failed of %(source)s.", source=source_id)
    return go_to(_HERE, node, f"{what} {describe_sync(outcome)}")
