"""Give a source another key: the key first, then a page that says what follows, then the deed.

The second form carries the fingerprint that was shown, so that only the key that was looked at can be confirmed.
"""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.verification import VerificationResult
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import PfnError
from pfn.services.access import require
from pfn.services.source_report import SourceOverview
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen, Viewer

router = APIRouter(include_in_schema=False)


@router.get("/sources/{source_id}/custody")
async def show_reset_custody(source_id: str, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask for the key. Raises PfnError: ``key_required``, ``scope_missing``, ``source_unknown``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    overview = await node.source_reports.overview(source_id)
    return _ask_key(request, viewer, overview)


@router.post("/sources/{source_id}/custody")
async def reset_custody(source_id: str, request: Request, node: Node, tasks: Tasks, form: ToWrite) -> Response:
    """Say what follows from a new key; where that was confirmed, give it and have it proven.

    Raises PfnError: ``source_unknown``, ``wrong_state``.
    """
    overview = await node.source_reports.overview(source_id)
    given = form.text("public_key", longest=10_000)
    try:
        new = parse_public_key(given)
    except PfnError as error:
        return _ask_key(request, form.viewer, overview, given=given, error=error)
    if form.text("confirmed") != new.fingerprint:
        old = parse_public_key(overview.source.public_key)
        return render(
            request,
            form.viewer,
            "source_custody_confirm.html",
            source=overview.source,
            plugins=overview.plugin_count,
            old=old,
            new=new,
        )
    await node.sources.reset_custody(form.grant.key_id, source_id, new.pem)
    work = node.verifications.verify_now_if_due(source_id)
    verification = await wait_briefly(tasks, f"verify {source_id}", work)
    if verification is None:
        outcome = gettext("Its verification goes on.")
    elif verification.result is VerificationResult.SUCCESS:
        outcome = gettext("It proved that it holds the new key.")
    else:
        outcome = gettext("It did not prove the new key: %(why)s", why=verification.details)
    note = gettext("%(source)s has a new key. %(outcome)s", source=source_id, outcome=outcome)
    return go_to(source_path(source_id), node, note)


def _ask_key(
    request: Request, viewer: Viewer, overview: SourceOverview, *, given: str = "", error: PfnError | None = None
) -> Response:
    return render(
        request,
        viewer,
        "source_custody.html",
        error.code.status if error else 200,
        source=overview.source,
        old=parse_public_key(overview.source.public_key),
        given=given,
        error=error.detail if error else None,
    )
