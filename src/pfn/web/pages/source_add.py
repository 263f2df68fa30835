"""Add a source: where it is first, then the key it shows, to be compared with what its publisher said.

Whoever has the key already may give it at once. A form keeps what was typed where something in it cannot be used.
"""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.verification import VerificationResult
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.services.access import require
from pfn.services.node import Services
from pfn.services.ownership import V2_FEATURE
from pfn.services.verification import Probe
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import Submission, ToWrite
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_EMPTY = {"instance_url": "", "username": "", "public_key": ""}
_FIELD_OF = {
    Code.INVALID_URL: "instance_url",
    Code.INVALID_KEY: "public_key",
    Code.INVALID_FIELD: "username",
}
_NO_ANSWER = "The instance takes long to answer. Try again, or paste the key."


@router.get("/sources/add")
async def show_add_source(request: Request, viewer: Seen) -> Response:
    """Show the form. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    return render(request, viewer, "source_add.html", given=_EMPTY, error=None, field=None)


@router.post("/sources/add")
async def add_source(request: Request, node: Node, tasks: Tasks, form: ToWrite) -> Response:
    """Register a source, have it verified and show it; without a key, show the one its instance shows."""
    given = {
        "instance_url": form.text("instance_url", longest=2_000),
        "username": form.text("username"),
        "public_key": form.text("public_key", longest=10_000),
    }
    if form.text("use") == "shown":
        given["public_key"] = form.text("shown_key", longest=10_000)
    if not given["public_key"]:
        return await _compare_key(request, node, tasks, form, given)
    actor = form.grant.key_id
    try:
        source = await node.sources.add(actor, given["instance_url"], given["username"], given["public_key"])
    except PfnError as error:
        return _ask_again(request, form, given, error)
    work = node.verifications.verify_now_if_due(source.id)
    verification = await wait_briefly(tasks, f"verify {source.id}", work)
    if verification is None:
        note = f"{source.id} is registered. Its verification goes on; reload the page to see how it ends."
    elif verification.result is VerificationResult.SUCCESS:
        note = f"{source.id} is registered and verified. Subscribe to mirror its plugins."
    else:
        note = f"{source.id} is registered, but its verification failed: {verification.details}"
    return go_to(source_path(source.id), node, note)


async def _compare_key(
    request: Request, node: Services, tasks: Tasks, form: Submission, given: dict[str, str]
) -> Response:
    """Ask the instance for its key; where none comes, say why and ask for it."""
    probe: Probe | None = None
    trouble = None
    try:
        probe = await wait_briefly(tasks, "probe", node.verifications.probe(given["instance_url"]))
    except PfnError as error:
        if error.code.fault is Fault.CALLER and error.code is not Code.INVALID_KEY:
            return _ask_again(request, form, given, error)
        trouble = f"The key it shows cannot be used. {error.detail}" if error.code is Code.INVALID_KEY else error.detail
    if trouble is None and probe is None:
        trouble = _NO_ANSWER
    return render(
        request,
        form.viewer,
        "source_compare.html",
        given=given,
        probe=probe,
        generation=2 if probe and V2_FEATURE in probe.features else 1,
        trouble=trouble,
    )


def _ask_again(request: Request, form: Submission, given: dict[str, str], error: PfnError) -> Response:
    return render(
        request,
        form.viewer,
        "source_add.html",
        error.code.status,
        given=given,
        error=error.detail,
        field=_FIELD_OF.get(error.code),
    )
