"""What an owner does about sending: a test, failed deliveries once more, a disabled webhook active again."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from pfn.domain.delivery import DeliveryState
from pfn.web.access import Node, Tasks
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.submission import ToSubscribe
from pfn.web.pages.template import go_to
from pfn.web.pages.webhook import WebhookId

router = APIRouter(include_in_schema=False)

DeliveryId = Annotated[int, Path(ge=1, le=2**63 - 1)]


@router.post("/webhooks/{webhook_id}/test")
async def send_test(webhook_id: WebhookId, node: Node, tasks: Tasks, form: ToSubscribe) -> Response:
    """Send a test message. Raises PfnError (``webhook_unknown``)."""
    sent = await wait_briefly(tasks, f"test webhook {webhook_id}", node.webhooks.test(form.grant, webhook_id))
    if sent is None:
        note = gettext("The receiver takes its time; reload the page to see how the test ends.")
    elif sent.state is DeliveryState.DELIVERED:
        note = gettext(
            "The test was delivered: status %(status)s after %(ms)s ms.", status=sent.last_status, ms=sent.last_ms
        )
    else:
        note = gettext("The test was not delivered. %(why)s", why=sent.last_error)
    return go_to(f"/webhooks/{webhook_id}", node, note)


@router.post("/webhooks/{webhook_id}/redeliver")
async def redeliver_failed(webhook_id: WebhookId, node: Node, form: ToSubscribe) -> Response:
    """Send what failed again. Raises PfnError: ``webhook_unknown``, ``wrong_state``."""
    number = await node.webhooks.redeliver(form.grant, webhook_id)
    note = ngettext("%(num)s failed message will be sent again.", "%(num)s failed messages will be sent again.", number)
    return go_to(f"/webhooks/{webhook_id}", node, note)


@router.post("/webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver")
async def redeliver_one(webhook_id: WebhookId, delivery_id: DeliveryId, node: Node, form: ToSubscribe) -> Response:
    """Send one message again. Raises PfnError: ``webhook_unknown``, ``delivery_unknown``, ``wrong_state``."""
    await node.webhooks.redeliver(form.grant, webhook_id, delivery_id=delivery_id)
    return go_to(f"/webhooks/{webhook_id}", node, gettext("The message will be sent again, under the id it had."))


@router.post("/webhooks/{webhook_id}/enable")
async def enable_webhook(webhook_id: WebhookId, node: Node, form: ToSubscribe) -> Response:
    """Make a disabled webhook active again. Raises PfnError: ``webhook_unknown``, ``wrong_state``."""
    await node.webhooks.enable(form.grant, webhook_id)
    note = gettext("It is active again. What happened meanwhile was not kept for it.")
    return go_to(f"/webhooks/{webhook_id}", node, note)
