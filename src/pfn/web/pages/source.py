"""One source: its status and why, its trust with every term, its plugins; to readers also its histories.

Everyone sees what a download should be judged by: status, trust, key. Histories, reasons and failures are for
whoever may read them through the API.
"""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.subscription import Subscription
from pfn.protocol.ed25519 import parse_public_key
from pfn.storage.plugin import PluginQuery, PluginSort
from pfn.web.access import Node
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_PLUGINS = 50


@router.get("/sources/{source_id}")
async def show_source(source_id: str, request: Request, node: Node, viewer: Seen) -> Response:
    """Show a source. Raises PfnError (``source_unknown``)."""
    report = await node.sources.report(source_id)
    plugins = await node.releases.list_plugins(PluginQuery(source=source_id, sort=PluginSort.NAME, limit=_PLUGINS))
    subscriptions: list[Subscription] = []
    if viewer.grant and viewer.may(Scope.SOURCES_READ):
        subscriptions = list(await node.subscriptions.list(viewer.grant, source_id=source_id))
    return render(
        request,
        viewer,
        "source.html",
        report=report,
        source=report.overview.source,
        fingerprint=parse_public_key(report.overview.source.public_key).fingerprint,
        page=plugins,
        subscriptions=subscriptions,
        own=next((one for one in subscriptions if viewer.grant and one.subscriber == viewer.grant.owner), None),
    )
