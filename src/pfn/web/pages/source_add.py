"""Add a source: a form that keeps what was typed where something in it cannot be used."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.verification import VerificationResult, VerificationType
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.web.access import Node, Tasks
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to, render, source_path
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_EMPTY = {"instance_url": "", "username": "", "public_key": ""}
_FIELD_OF = {
    Code.INVALID_URL: "instance_url",
    Code.INVALID_KEY: "public_key",
    Code.INVALID_FIELD: "username",
}


@router.get("/sources/add")
async def show_add_source(request: Request, viewer: Seen) -> Response:
    """Show the form. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    return render(request, viewer, "source_add.html", given=_EMPTY, error=None, field=None)


@router.post("/sources/add")
async def add_source(request: Request, node: Node, tasks: Tasks, form: ToWrite) -> Response:
    """Register a source, have it verified and show it."""
    given = {
        "instance_url": form.text("instance_url", longest=2_000),
        "username": form.text("username"),
        "public_key": form.text("public_key", longest=10_000),
    }
    actor = form.grant.key_id
    try:
        source = await node.sources.add(actor, given["instance_url"], given["username"], given["public_key"])
    except PfnError as error:
        return render(
            request,
            form.viewer,
            "source_add.html",
            error.code.status,
            given=given,
            error=error.detail,
            field=_FIELD_OF.get(error.code),
        )
    work = node.verifications.verify(source.id, VerificationType.INITIAL, actor)
    verification = await wait_briefly(tasks, f"verify {source.id}", work)
    if verification is None:
        note = f"{source.id} is registered. Its verification goes on; reload the page to see how it ends."
    elif verification.result is VerificationResult.SUCCESS:
        note = f"{source.id} is registered and verified. Subscribe to mirror its plugins."
    else:
        note = f"{source.id} is registered, but its verification failed: {verification.details}"
    return go_to(source_path(source.id), node, note)
