"""Webhooks: who is told of what happens, how that went, and again."""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from pfn.domain.delivery import DeliveryState
from pfn.services.webhook import NewKeys, WebhookOverview
from pfn.web.access import Node, Subscriber
from pfn.web.api.answers import Json
from pfn.web.api.requests import AddWebhook, ChangeWebhook, Redeliver
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation/webhooks", tags=["Webhooks"], route_class=StrictRoute)

WebhookId = Annotated[int, Path(ge=1, le=2**31)]


@router.post("", status_code=201)
async def add_webhook(body: AddWebhook, grant: Subscriber, node: Node) -> Json:
    """Have events sent to a URL, signed as Standard Webhooks say. The secret is in this answer and in no other.

    An operator's webhook is told everything unless it says otherwise; anybody else's what his subscriptions take.
    """
    return _show_new(await node.webhooks.add(grant, body.to_wish()), node.clock())


@router.get("")
async def list_webhooks(grant: Subscriber, node: Node) -> list[Json]:
    """List webhooks, newest first: all for an operator, one's own for a subscriber."""
    return [_show(one, node.clock()) for one in await node.webhooks.list(grant)]


@router.get("/{webhook_id}")
async def get_webhook(webhook_id: WebhookId, grant: Subscriber, node: Node) -> Json:
    """Show a webhook, with the public key that verifies its messages and how its deliveries stand."""
    return _show(await node.webhooks.get(grant, webhook_id), node.clock())


@router.post("/{webhook_id}/change")
async def change_webhook(webhook_id: WebhookId, body: ChangeWebhook, grant: Subscriber, node: Node) -> Json:
    """Change the members that are sent; the others stay."""
    webhook = await node.webhooks.change(grant, webhook_id, body.to_wish())
    return {"success": True, "webhook": webhook.to_json(node.clock())}


@router.post("/{webhook_id}/rotate-secret")
async def rotate_secret(webhook_id: WebhookId, grant: Subscriber, node: Node) -> Json:
    """Give it a new secret and key pair. For 24 hours messages carry the signatures of the old ones too."""
    return _show_new(await node.webhooks.rotate_keys(grant, webhook_id), node.clock())


@router.post("/{webhook_id}/enable")
async def enable_webhook(webhook_id: WebhookId, grant: Subscriber, node: Node) -> Json:
    """Make a disabled webhook active again. What happened meanwhile is not sent; what failed can be redelivered."""
    webhook = await node.webhooks.enable(grant, webhook_id)
    return {"success": True, "webhook": webhook.to_json(node.clock())}


@router.post("/{webhook_id}/remove")
async def remove_webhook(webhook_id: WebhookId, grant: Subscriber, node: Node) -> Json:
    """Remove a webhook for good, with what was not delivered yet."""
    webhook = await node.webhooks.remove(grant, webhook_id)
    return {"success": True, "webhook": webhook.to_json(node.clock())}


@router.get("/{webhook_id}/deliveries")
async def list_deliveries(
    webhook_id: WebhookId,
    grant: Subscriber,
    node: Node,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    before: Annotated[int | None, Query(ge=1, le=2**63 - 1, description="The `next` of the page before.")] = None,
    state: DeliveryState | None = None,
) -> Json:
    """Page through the log of a webhook, newest first: every message, its tries and what came of them."""
    page = await node.webhooks.list_deliveries(grant, webhook_id, limit=limit, before=before, state=state)
    return {"deliveries": [one.to_json() for one in page.deliveries], "next": page.next}


@router.post("/{webhook_id}/redeliver")
async def redeliver(webhook_id: WebhookId, body: Redeliver, grant: Subscriber, node: Node) -> Json:
    """Send one delivery again, or all that failed since a time, under the ids they had."""
    count = await node.webhooks.redeliver(grant, webhook_id, delivery_id=body.delivery, since=body.since)
    return {"success": True, "count": count}


@router.post("/{webhook_id}/test")
async def send_test(webhook_id: WebhookId, grant: Subscriber, node: Node) -> Json:
    """Send a message of type `ping` now, once, and tell how it went: in 30 seconds at most."""
    delivery = await node.webhooks.test(grant, webhook_id)
    return {"success": delivery.state is DeliveryState.DELIVERED, "delivery": delivery.to_json()}


def _show(overview: WebhookOverview, now: float) -> Json:
    """Give a webhook and how many of its deliveries are in which state."""
    counts = {state.value: number for state, number in overview.counts.items()}
    return {**overview.webhook.to_json(now), "deliveries": counts}


def _show_new(new: NewKeys, now: float) -> Json:
    """Give a webhook with its secret, this once."""
    return {"success": True, "webhook": new.webhook.to_json(now), "secret": new.secret}
