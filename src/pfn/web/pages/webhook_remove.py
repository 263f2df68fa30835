"""Remove a webhook: first a page that says what it would do, then the deed."""

from fastapi import APIRouter, Request, Response

from pfn.domain.delivery import DeliveryState
from pfn.web.access import Node
from pfn.web.pages.language import gettext
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToSubscribe
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen
from pfn.web.pages.webhook import WebhookId

router = APIRouter(include_in_schema=False)


@router.get("/webhooks/{webhook_id}/remove")
async def show_remove_webhook(webhook_id: WebhookId, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``webhook_unknown``."""
    overview = await node.webhooks.get(require_viewer(viewer), webhook_id)
    waiting = overview.counts[DeliveryState.PENDING] + overview.counts[DeliveryState.FAILED]
    return render(request, viewer, "webhook_remove.html", webhook=overview.webhook, waiting=waiting)


@router.post("/webhooks/{webhook_id}/remove")
async def remove_webhook(webhook_id: WebhookId, node: Node, form: ToSubscribe) -> Response:
    """Remove. Raises PfnError (``webhook_unknown``)."""
    removed = await node.webhooks.remove(form.grant, webhook_id)
    return go_to("/webhooks", node, gettext("The webhook to %(host)s is removed.", host=removed.host))
