"""How sources fare: now, and hour by hour for a chart."""

from typing import Annotated

from fastapi import APIRouter, Query

from pfn.domain.health import KEEP_DAYS
from pfn.services.health import REPORT_DAYS
from pfn.web.access import Node, Reader
from pfn.web.api.answers import Json, show_health, show_health_hour, show_health_summary
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Sources"], route_class=StrictRoute)


@router.get("/health")
async def get_health(
    grant: Reader,
    node: Node,
    source_id: Annotated[str | None, Query(alias="sourceId", max_length=400)] = None,
    days: Annotated[int, Query(ge=1, le=KEEP_DAYS, description="How far back the hours go.")] = REPORT_DAYS,
) -> Json:
    """Tell a source's health with its hours, oldest first; without ``sourceId``, that of every source without hours.

    States are ``healthy``, ``degraded`` and ``down``; uptimes are shares of probes that were answered. An hour without
    probes has no row.
    """
    del grant
    if source_id is None:
        found = await node.health.list()
        return {"sources": [{"source_id": one.source_id, **show_health_summary(one)} for one in found]}
    report = await node.health.report(source_id, days)
    return {
        "source_id": source_id,
        **show_health(report),
        "days": days,
        "hours": [show_health_hour(hour) for hour in report.hours],
    }
