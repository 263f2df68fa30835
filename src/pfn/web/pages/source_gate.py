"""Lift a source's gate: first a page that says what follows, then the deed. The evidence stays either way."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.links import source_path
from pfn.web.pages.language import gettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/sources/{source_id}/lift-gate")
async def show_lift_gate(source_id: str, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``source_unknown``, ``wrong_state``."""
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    report = await node.source_reports.report(source_id)
    source = report.overview.source
    if not source.gates:
        raise PfnError(Code.WRONG_STATE, f"{source_id} has no gate to lift.")
    gates = [gate for gate in report.trust.gates if gate.value in source.gates]
    return render(request, viewer, "source_gate.html", source=source, gates=gates, earned=report.trust.earned)


@router.post("/sources/{source_id}/lift-gate")
async def lift_gate(source_id: str, node: Node, form: ToWrite) -> Response:
    """Lift it. Raises PfnError: ``source_unknown``, ``wrong_state``."""
    await node.sources.lift_gates(form.grant.key_id, source_id)
    note = gettext(
        "The gate of %(source)s is lifted; the next sync takes new releases again. The evidence stays on record.",
        source=source_id,
    )
    return go_to(source_path(source_id), node, note)
