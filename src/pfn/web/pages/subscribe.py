"""Subscribe to a source, and end a subscription."""

from fastapi import APIRouter, Response

from pfn.domain.subscription import Filters
from pfn.protocol.errors import Code, PfnError
from pfn.web.access import Node, Tasks
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.source_sync import describe_sync
from pfn.web.pages.submission import ToSubscribe
from pfn.web.pages.template import go_to, source_path

router = APIRouter(include_in_schema=False)

_LONGEST_LIST = 2_000
_MOST_TAGS = 100


@router.post("/sources/{source_id}/subscribe")
async def subscribe(source_id: str, node: Node, tasks: Tasks, form: ToSubscribe) -> Response:
    """Subscribe the key's owner and mirror what the tags take.

    Raises PfnError: ``source_unknown``, ``source_suspended``, ``source_not_verified``, ``invalid_field``.
    """
    tags = tuple(tag.strip() for tag in form.text("tags", longest=_LONGEST_LIST).split(",") if tag.strip())
    if len(tags) > _MOST_TAGS:
        raise PfnError(Code.INVALID_FIELD, f"tags: name {_MOST_TAGS} at most.")
    work = node.subscriptions.subscribe(form.grant, source_id, Filters(tags=tags))
    done = await wait_briefly(tasks, f"subscribe {source_id}", work)
    return go_to(source_path(source_id), node, f"Subscribed. {describe_sync(done.outcome if done else None)}")


@router.post("/subscriptions/{subscription_id}/end")
async def unsubscribe(subscription_id: int, node: Node, form: ToSubscribe) -> Response:
    """End a subscription. Raises PfnError (``subscription_unknown``)."""
    ended = await node.subscriptions.end(form.grant, subscription_id)
    note = f"The subscription of {ended.subscriber} has ended. What it brought stays mirrored."
    return go_to(source_path(ended.source_id), node, note)
