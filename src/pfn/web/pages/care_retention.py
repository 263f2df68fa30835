"""Old releases: what a policy would retire, by name, then the deed; and how it is undone."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pfn.domain.access import Scope
from pfn.domain.retention import Policy
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.services.node import Services
from pfn.web.access import Node
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_NEXT = "/care"
_MOST_DIGITS = 6
Number = Annotated[str, Query(max_length=20)]


@router.get("/care/retention")
async def preview_retention(
    request: Request,
    node: Node,
    viewer: Seen,
    versions: Number = "",
    days: Number = "",
    source: Annotated[str, Query(max_length=400)] = "",
) -> Response:
    """Show which releases would be retired, and ask.

    Raises PfnError: ``key_required``, ``scope_missing``, ``invalid_field``, ``source_unknown``.
    """
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    plan = await node.retention.preview(_read(node, versions, days), source_id=source.strip() or None)
    return render(
        request, viewer, "care_retention.html", plan=plan, old=await node.retention.count_history(), policy=plan.policy
    )


@router.post("/care/retire")
async def retire(node: Node, form: ToWrite) -> Response:
    """Retire them. Raises PfnError: ``invalid_field``, ``source_unknown``."""
    policy = _read(node, form.text("versions"), form.text("days"))
    plan = await node.retention.apply(form.grant.key_id, policy, source_id=form.text("source", longest=400) or None)
    return go_to(_NEXT, node, ngettext("%(num)s release is retired.", "%(num)s releases are retired.", plan.releases))


@router.post("/care/unretire")
async def bring_back(node: Node, form: ToWrite) -> Response:
    """Bring back whatever is retired."""
    back = await node.retention.undo(form.grant.key_id)
    note = ngettext("%(num)s release is back.", "%(num)s releases are back.", back.releases)
    if back.missing:
        note += " " + gettext("Zips that were deleted meanwhile are fetched by the next look over all of them.")
    return go_to(_NEXT, node, note)


def _read(node: Services, versions: str, days: str) -> Policy:
    own = node.retention.policy
    return Policy(_number("versions", versions, own.versions), _number("days", days, own.days))


def _number(name: str, given: str, otherwise: int) -> int:
    given = given.strip()
    if not given:
        return otherwise
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise PfnError(Code.INVALID_FIELD, f"{name}: must be a whole number.")
    return int(given)
