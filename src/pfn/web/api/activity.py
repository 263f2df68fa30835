"""The activity feed."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Query

from pfn.web.access import Node, Reader
from pfn.web.activity_query import Private, Since, Until, Wanted
from pfn.web.api.answers import Json
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Activity"], route_class=StrictRoute)


@router.get("/activity")
async def list_activity(
    grant: Reader,
    node: Node,
    wanted: Wanted,
    since: Since = None,
    until: Until = None,
    private: Private = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    cursor: Annotated[int | None, Query(ge=1, description="The ``next`` of the page before.")] = None,
) -> Json:
    """Give what happened, newest first. Read on with the cursor ``next``: an offset shifts as events arrive."""
    wanted = replace(wanted, since=since, until=until, private=private)
    page = await node.activities.list(grant, wanted, limit=limit, offset=offset, before=cursor)
    return {"activities": [activity.to_json() for activity in page.activities], "next": page.next}
