"""One source: its status and why, its trust with every term, its plugins; to readers also its histories.

Everyone sees what a download should be judged by: status, trust and health with their histories, keys, whether its
verifications held, what its signatures cover. Reasons and failures are for whoever may read them through the API, the
evidence against it for operators.
"""

import asyncio
from collections.abc import Sequence

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.subscription import Filters, Subscription
from pfn.domain.sync import SyncState
from pfn.protocol.ed25519 import parse_public_key
from pfn.services.node import Services
from pfn.storage.plugin import PluginQuery, PluginSort
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.pages.evidence import Exhibit, exhibit
from pfn.web.pages.filter_form import write_fields
from pfn.web.pages.source_charts import chart_health, chart_response, chart_trust
from pfn.web.pages.source_quota import MEGABYTE
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Reading

router = APIRouter(include_in_schema=False)

# Each list has a page of its own; here are the newest, so that the page of a busy source is no larger than another's.
_PLUGINS = 8
_FEW = 6
_MOST = 12
_EXHIBITS = 2


@router.get("/sources/{source_id}")
async def show_source(source_id: str, request: Request, node: Node, viewer: Reading) -> Response:
    """Show a source. Raises PfnError (``source_unknown``)."""
    keep_hot(request.scope)
    report = await node.source_reports.report(source_id)
    plugins = await node.releases.list_plugins(PluginQuery(source=source_id, sort=PluginSort.NAME, limit=_PLUGINS))
    subscriptions: list[Subscription] = []
    if viewer.grant and viewer.may(Scope.SOURCES_READ):
        subscriptions = list(await node.subscriptions.list(viewer.grant, source_id=source_id))
    own = next((one for one in subscriptions if viewer.grant and one.subscriber == viewer.grant.owner), None)
    exhibits: Sequence[Exhibit] = ()
    found = quarantined = 0
    if viewer.is_operator:
        exhibits, found = await _lay_out(node, source_id)
        quarantined = len(await node.quarantine.list(source_id=source_id))
    return render(
        request,
        viewer,
        "source.html",
        report=report,
        running=next((sync for sync in report.syncs if sync.state is SyncState.RUNNING), None),
        source=report.overview.source,
        fingerprint=parse_public_key(report.overview.source.public_key).fingerprint,
        key_steps=await node.statements.key_history(source_id),
        trust_chart=chart_trust(report),
        health_chart=chart_health(report.health),
        response_chart=chart_response(report.health),
        page=plugins,
        few=_FEW,
        most=_MOST,
        subscriptions=subscriptions,
        own=own,
        typed=write_fields(own.filters if own else Filters()),
        exhibits=exhibits,
        evidence_count=found,
        quarantined=quarantined,
        quota=await node.quotas.measure(source_id) if viewer.is_operator else None,
        megabyte=MEGABYTE,
    )


async def _lay_out(node: Services, source_id: str) -> tuple[Sequence[Exhibit], int]:
    """Give the newest evidence against a source, and how much there is in all."""
    found = await node.source_reports.evidence(source_id)
    # A catalogue may be megabytes long: unpacking two of them must not hold up everybody else.
    return await asyncio.to_thread(lambda: [exhibit(one) for one in found[:_EXHIBITS]]), len(found)
