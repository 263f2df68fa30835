"""What is due: when each piece of work comes round next, who does it now, how it ended the last time."""

from typing import Annotated

from fastapi import APIRouter, Query

from pfn.domain.schedule import Work
from pfn.web.access import Node, Reader
from pfn.web.api.answers import Json, show_due
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Sources"], route_class=StrictRoute)


@router.get("/schedule")
async def list_schedule(
    grant: Reader,
    node: Node,
    source_id: Annotated[str | None, Query(alias="sourceId", max_length=400)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[Json]:
    """Give what is due, soonest first: of one source, or of all. Deliveries are shown to operators."""
    if source_id is not None:
        await node.sources.get(source_id)
    found = await node.schedule.list(source_id, limit=limit)
    now = node.clock()
    return [show_due(due, now) for due in found if grant.is_operator or due.kind is not Work.DELIVER]
