"""What an owner does about sending: a test, failed deliveries once more, a disabled webhook active again."""

from fastapi import APIRouter, Response

from pfn.domain.delivery import DeliveryState
from pfn.web.access import Node, Tasks
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.submission import ToSubscribe
from pfn.web.pages.template import go_to
from pfn.web.pages.text import count
from pfn.web.pages.webhook import WebhookId

router = APIRouter(include_in_schema=False)


@router.post("/webhooks/{webhook_id}/test")
async def send_test(webhook_id: WebhookId, node: Node, tasks: Tasks, form: ToSubscribe) -> Response:
    """Send a test message. Raises PfnError (``webhook_unknown``)."""
    sent = await wait_briefly(tasks, f"test webhook {webhook_id}", node.webhooks.test(form.grant, webhook_id))
    if sent is None:
        note = "The receiver takes its time; reload the page to see how the test ends."
    elif sent.state is DeliveryState.DELIVERED:
        note = f"The test was delivered: status {sent.last_status} after {sent.last_ms} ms."
    else:
        note = f"The test was not delivered. {sent.last_error}"
    return go_to(f"/webhooks/{webhook_id}", node, note)


@router.post("/webhooks/{webhook_id}/redeliver")
async def redeliver_failed(webhook_id: WebhookId, node: Node, form: ToSubscribe) -> Response:
    """Send what failed again. Raises PfnError: ``webhook_unknown``, ``wrong_state``."""
    number = await node.webhooks.redeliver(form.grant, webhook_id)
    return go_to(f"/webhooks/{webhook_id}", node, f"{count(number, 'failed message')} will be sent again.")


@router.post("/webhooks/{webhook_id}/enable")
async def enable_webhook(webhook_id: WebhookId, node: Node, form: ToSubscribe) -> Response:
    """Make a disabled webhook active again. Raises PfnError: ``webhook_unknown``, ``wrong_state``."""
    await node.webhooks.enable(form.grant, webhook_id)
    return go_to(f"/webhooks/{webhook_id}", node, "It is active again. What happened meanwhile was not kept for it.")
