"""The list of sources: highest trust first, all of them or those in one state."""

from collections import Counter
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BeforeValidator

from pfn.domain.source import SourceStatus
from pfn.web.access import Node
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Reading

router = APIRouter(include_in_schema=False)

_PAGE = 50
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
    everything = await node.sources.list()
    states = Counter(one.source.status for one in everything)
    found = [one for one in everything if status in {None, one.source.status}]
    shown = found[(page - 1) * _PAGE : page * _PAGE]
    return render(
        request,
        viewer,
        "sources.html",
        sources=shown,
        asked=status.value if status else "",
        states=[(state, states[state]) for state in SourceStatus if states[state]] if len(states) > 1 else [],
        next_page=page + 1 if page * _PAGE < len(found) else None,
    )
