"""Ask a source again what it announces."""

from fastapi import APIRouter, Response

from pfn.protocol.errors import Fault, PfnError
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/sources/{source_id}/update")
async def update_source(source_id: str, node: Node, tasks: Tasks, form: ToWrite) -> Response:
    """Fetch it and keep what it says; where its publisher fails, nothing changes.

    Raises PfnError (``source_unknown``).
    """
    work = node.verifications.refetch_info(source_id, form.grant.key_id)
    try:
        source = await wait_briefly(tasks, f"update {source_id}", work)
    except PfnError as error:
        if error.code.fault is Fault.CALLER:
            raise
        note = gettext("%(source)s did not say what it announces: %(why)s", source=source_id, why=error.detail)
        return go_to(source_path(source_id), node, note)
    if source is None:
        note = gettext("%(source)s takes its time; reload the page to see what it announces.", source=source_id)
    else:
        note = gettext("What %(source)s announces is up to date.", source=source_id)
    return go_to(source_path(source_id), node, note)
