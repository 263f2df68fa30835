"""The first page: what this node is, its newest plugins, the sources it trusts most, and what happened.

All of it is for everyone; of what happened, each as much as they may see.
"""

from fastapi import APIRouter, Request, Response

from pfn.storage.plugin import PluginQuery
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Reading

router = APIRouter(include_in_schema=False)

_PLUGINS, _SOURCES, _EVENTS = 12, 8, 8


@router.get("/")
async def show_home(request: Request, node: Node, viewer: Reading) -> Response:
    """Show the first page. Raises PfnError (``key_required``) where the catalogue is closed."""
    keep_hot(request.scope)
    page = await node.releases.list_plugins(PluginQuery(limit=_PLUGINS))
    sources = await node.source_reports.page(limit=_SOURCES)
    return render(
        request,
        viewer,
        "home.html",
        plugins=page.plugins,
        sources=sources.sources,
        source_count=sum(sources.states.values()),
        plugin_count=sources.plugin_count,
        activity=await node.activities.list(viewer.grant, limit=_EVENTS),
    )
