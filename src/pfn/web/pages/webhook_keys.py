"""Give a webhook a new secret: first a page that says what follows, then the deed; the secret is shown once."""

from fastapi import APIRouter, Request, Response

from pfn.domain.webhook import OLD_KEYS_LIVE_S
from pfn.web.access import Node
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToSubscribe
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen
from pfn.web.pages.webhook import WebhookId

router = APIRouter(include_in_schema=False)


@router.get("/webhooks/{webhook_id}/rotate")
async def show_rotate(webhook_id: WebhookId, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask. Raises PfnError: ``key_required``, ``scope_missing``, ``webhook_unknown``."""
    webhook = (await node.webhooks.get(require_viewer(viewer), webhook_id)).webhook
    return render(request, viewer, "webhook_rotate.html", webhook=webhook, overlap=OLD_KEYS_LIVE_S)


@router.post("/webhooks/{webhook_id}/rotate")
async def rotate_secret(webhook_id: WebhookId, request: Request, node: Node, form: ToSubscribe) -> Response:
    """Make new keys and show the secret. Raises PfnError (``webhook_unknown``)."""
    made = await node.webhooks.rotate_keys(form.grant, webhook_id)
    return render(request, form.viewer, "webhook_made.html", webhook=made.webhook, secret=made.secret, rotated=True)
