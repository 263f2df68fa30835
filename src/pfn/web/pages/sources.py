"""The list of sources: highest trust first, all of them or those in one state."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from pfn.domain.source import SourceStatus
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Reading

router = APIRouter(include_in_schema=False)

_PAGE = 25
State = Annotated[SourceStatus | None, BeforeValidator(lambda given: given or None)]


@router.get("/sources")
async def show_sources(
    request: Request,
    node: Node,
    viewer: Reading,
    status: State = None,
    page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """Show a page of sources. Raises PfnError (``key_required``) where the catalogue is closed."""
    keep_hot(request.scope)
    found = await node.source_reports.page(status=status, limit=_PAGE, offset=(page - 1) * _PAGE)
    states = found.states
    count = sum(states.values()) if status is None else states.get(status, 0)
    return render(
        request,
        viewer,
        "sources.html",
        sources=found.sources,
        asked=status.value if status else "",
        states=[(state, states[state]) for state in SourceStatus if state in states] if len(states) > 1 else [],
        next_page=page + 1 if page * _PAGE < count else None,
    )
