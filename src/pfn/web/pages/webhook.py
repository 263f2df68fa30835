"""Webhooks for their owner: which there are, how each stands, and its log."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BeforeValidator

from pfn.domain.delivery import DeliveryState
from pfn.web.access import Node
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_PAGE = 20

WebhookId = Annotated[int, Path(ge=1, le=2**31)]
# An address may have it empty too.
State = Annotated[DeliveryState | None, BeforeValidator(lambda given: given or None)]


@router.get("/webhooks")
async def show_webhooks(request: Request, node: Node, viewer: Seen) -> Response:
    """Show the viewer's webhooks, to an operator all. Raises PfnError: ``key_required``, ``scope_missing``."""
    overviews = await node.webhooks.list(require_viewer(viewer))
    return render(request, viewer, "webhooks.html", overviews=overviews, State=DeliveryState)


@router.get("/webhooks/{webhook_id}")
async def show_webhook(
    webhook_id: WebhookId,
    request: Request,
    node: Node,
    viewer: Seen,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1)] = None,
    state: State = None,
) -> Response:
    """Show one and a page of its log, of messages in one state alone where it is named.

    Raises PfnError: ``key_required``, ``scope_missing``, ``webhook_unknown``.
    """
    grant = require_viewer(viewer)
    overview = await node.webhooks.get(grant, webhook_id)
    log = await node.webhooks.list_deliveries(grant, webhook_id, limit=_PAGE, before=before, state=state)
    return render(
        request,
        viewer,
        "webhook.html",
        webhook=overview.webhook,
        counts=overview.counts,
        log=log,
        before=before,
        asked=state,
        State=DeliveryState,
    )
