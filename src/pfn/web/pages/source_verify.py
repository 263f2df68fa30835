"""Verify a source now."""

from fastapi import APIRouter, Response

from pfn.domain.verification import VerificationResult, VerificationType
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.submission import ToVerify
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/sources/{source_id}/verify")
async def verify_source(source_id: str, node: Node, tasks: Tasks, form: ToVerify) -> Response:
    """Make a source prove its key. Raises PfnError: ``source_unknown``, ``source_suspended``."""
    work = node.verifications.verify(source_id, VerificationType.MANUAL, form.grant.key_id)
    verification = await wait_briefly(tasks, f"verify {source_id}", work)
    if verification is None:
        note = gettext("The verification takes its time; reload the page to see how it ends.")
    elif verification.result is VerificationResult.SUCCESS:
        note = gettext("Verified: %(how)s", how=verification.details)
    else:
        note = gettext("The verification failed: %(why)s", why=verification.details)
    return go_to(source_path(source_id), node, note)
