"""Numbers of use: sums by day, in which nobody is (docs/operators.md, numbers without tracking)."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse

from pfn.domain.usage import KEEP_USAGE_DAYS
from pfn.web.access import Node
from pfn.web.api.release import Required
from pfn.web.headers import PUBLIC
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Plugins"], route_class=StrictRoute)


@router.get("/usage")
async def get_usage(
    node: Node,
    source: Required,
    plugin: Required,
    days: Annotated[int, Query(ge=1, le=KEEP_USAGE_DAYS, description="How far back the days go.")] = 30,
) -> Response:
    """Tell how often a plugin was downloaded here, and on about how many sites it runs, rounded down to one digit.

    ``days`` has the sums of each version by day, newest first; its version is null for sites that run one which is not
    mirrored here. Counts of the last minute may be missing.
    """
    await node.releases.find(source, plugin)
    key = (source, plugin)
    usage = (await node.usage.totals([key]))[key]
    found = await node.usage.history(source, plugin, days)
    content = {
        "source_id": source,
        "plugin_id": plugin,
        "downloads": usage.downloads,
        "installs": usage.installs,
        "days": [day.to_json() for day in found],
    }
    return JSONResponse(content, headers={**PUBLIC, "Cache-Control": "public, max-age=60"})
