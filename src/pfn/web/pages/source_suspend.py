"""Suspend a source and resume it."""

from fastapi import APIRouter, Response

from pfn.domain.verification import VerificationResult
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/sources/{source_id}/suspend")
async def suspend_source(source_id: str, node: Node, form: ToWrite) -> Response:
    """Stop offering a source. Raises PfnError: ``source_unknown``, ``wrong_state``, ``invalid_field``."""
    reason = form.text("reason") or "suspended by the operator"
    await node.sources.suspend(form.grant.key_id, source_id, reason)
    note = gettext("%(source)s is suspended; nothing of it is offered any more.", source=source_id)
    return go_to(source_path(source_id), node, note)


@router.post("/sources/{source_id}/resume")
async def resume_source(source_id: str, node: Node, tasks: Tasks, form: ToWrite) -> Response:
    """Offer a source again and verify it anew. Raises PfnError: ``source_unknown``, ``wrong_state``."""
    await node.sources.resume(form.grant.key_id, source_id)
    work = node.verifications.verify_now_if_due(source_id)
    verification = await wait_briefly(tasks, f"verify {source_id}", work)
    if verification is None:
        outcome = gettext("Its verification goes on.")
    elif verification.result is VerificationResult.SUCCESS:
        outcome = gettext("It proved that it holds its key.")
    else:
        outcome = gettext("Its verification failed: %(why)s", why=verification.details)
    note = gettext("%(source)s is resumed. %(outcome)s", source=source_id, outcome=outcome)
    return go_to(source_path(source_id), node, note)
