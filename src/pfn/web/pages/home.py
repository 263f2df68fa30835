"""The first page: what this node is, its sources, the newest plugins or those looked for, and what happened.

Plugins and sources are for everyone to see; the activity is for whoever may read it through the API.
"""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from pfn.domain.access import Scope
from pfn.services.activity import ActivityPage
from pfn.storage.plugin import PluginQuery
from pfn.web.access import Node
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_PLUGINS, _EVENTS = 12, 8


@router.get("/")
async def show_home(
    request: Request,
    node: Node,
    viewer: Seen,
    q: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[str, Query(max_length=200)] = "",
    source: Annotated[str, Query(max_length=400)] = "",
    cursor: Annotated[str | None, Query(max_length=1_000)] = None,
) -> Response:
    """Show the first page."""
    query = PluginQuery(q=q, tag=tag or None, source=source or None, limit=_PLUGINS, cursor=cursor or None)
    page = await node.releases.list_plugins(query)
    sources = await node.sources.list()
    activity: ActivityPage | None = None
    if viewer.grant and viewer.may(Scope.SOURCES_READ):
        activity = await node.activities.list(viewer.grant, limit=_EVENTS)
    return render(
        request,
        viewer,
        "home.html",
        page=page,
        sources=sources,
        plugin_count=sum(one.plugin_count for one in sources if one.source.serves),
        activity=activity,
        asked={"q": q, "tag": tag, "source": source},
        cursor=cursor,
    )
