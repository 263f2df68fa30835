"""Add a source: where it is first, then its key, to be compared with what its publisher said, and a verification tried.

Nothing is kept before both were seen and confirmed. Whoever has the key already may give it at once. A form keeps what
was typed where something in it cannot be used.
"""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.verification import VerificationResult
from pfn.protocol.ed25519 import PublicKey, parse_public_key
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.services.access import require
from pfn.services.background import Background
from pfn.services.node import Services
from pfn.services.verification import Probe, Rehearsal
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.language import N_, gettext, translate
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
_NO_ANSWER = N_("The instance takes long to answer. Try again, or paste the key.")


@router.get("/sources/add")
async def show_add_source(request: Request, viewer: Seen) -> Response:
    """Show the form. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    return render(request, viewer, "source_add.html", given=_EMPTY, error=None, field=None)


@router.post("/sources/add")
async def add_source(request: Request, node: Node, tasks: Tasks, form: ToWrite) -> Response:
    """Try the verification and show how it went, with the key; where that key was confirmed, register the source.

    Without a key, the one its instance shows is tried. Raises nothing for what can be said in the form.
    """
    given = {
        "instance_url": form.text("instance_url", longest=2_000),
        "username": form.text("username"),
        "public_key": form.text("public_key", longest=10_000),
    }
    if form.text("use") == "shown":
        given["public_key"] = form.text("shown_key", longest=10_000)
        return await _register(request, node, tasks, form, given)
    try:
        return await _compare(request, node, tasks, form, given)
    except PfnError as error:
        return _ask_again(request, form, given, error)


async def _register(
    request: Request, node: Services, tasks: Background, form: Submission, given: dict[str, str]
) -> Response:
    actor = form.grant.key_id
    try:
        source = await node.sources.add(actor, given["instance_url"], given["username"], given["public_key"])
    except PfnError as error:
        return _ask_again(request, form, given, error)
    work = node.verifications.verify_now_if_due(source.id)
    verification = await wait_briefly(tasks, f"verify {source.id}", work)
    if verification is None:
        note = gettext(
            "%(source)s is registered. Its verification goes on; reload the page to see how it ends.", source=source.id
        )
    elif verification.result is VerificationResult.SUCCESS:
        note = gettext("%(source)s is registered and verified. Subscribe to mirror its plugins.", source=source.id)
    else:
        note = gettext(
            "%(source)s is registered, but its verification failed: %(why)s", source=source.id, why=verification.details
        )
    return go_to(source_path(source.id), node, note)


async def _compare(
    request: Request, node: Services, tasks: Background, form: Submission, given: dict[str, str]
) -> Response:
    """Show the key, given or shown by the instance, and how a verification with it would end.

    Raises PfnError for what the form got wrong: ``invalid_url``, ``invalid_key``, ``invalid_field``,
    ``source_exists``.
    """
    key = parse_public_key(given["public_key"]) if given["public_key"] else None
    trouble = None
    if key is None:
        key, trouble = await _ask_key(node, tasks, given["instance_url"])
    rehearsal: Rehearsal | None = None
    if key is not None:
        draft = await node.sources.draft(given["instance_url"], given["username"], key.pem)
        rehearsal = await wait_briefly(tasks, f"rehearse {draft.id}", node.verifications.rehearse(draft))
    return render(
        request,
        form.viewer,
        "source_compare.html",
        given=given,
        key=key,
        key_given=bool(given["public_key"]),
        rehearsal=rehearsal,
        generation=_generation(rehearsal),
        trouble=trouble,
    )


def _generation(rehearsal: Rehearsal | None) -> int | None:
    """Tell which protocol was spoken; None where nothing was said."""
    tried = {check.name: check.passed for check in rehearsal.checks} if rehearsal else {}
    if "key_document" in tried:
        return 2
    return 1 if tried.get("federation_info") else None


async def _ask_key(node: Services, tasks: Background, instance_url: str) -> tuple[PublicKey | None, str | None]:
    """Ask the instance for its key; where none comes, say why. Raises PfnError where the address cannot be asked."""
    try:
        probe: Probe | None = await wait_briefly(tasks, "probe", node.verifications.probe(instance_url))
    except PfnError as error:
        if error.code is Code.INVALID_KEY:
            return None, gettext("The key it shows cannot be used. %(why)s", why=error.detail)
        if error.code.fault is Fault.CALLER:
            raise
        return None, error.detail
    if probe is None:
        return None, translate(_NO_ANSWER)
    return probe.public_key, None if probe.public_key else gettext("The instance shows no key.")


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
