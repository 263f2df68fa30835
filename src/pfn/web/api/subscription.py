"""Subscriptions and syncs."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from pfn.web.access import MirrorRunner, Node, Reader, Subscriber, Tasks
from pfn.web.api.answers import Json, show_preview, show_subscribed
from pfn.web.api.requests import ChangeSubscription, EndSubscription, StartSync, Subscribe
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Subscriptions and syncs"], route_class=StrictRoute)


@router.post("/subscribe")
async def subscribe(body: Subscribe, grant: Subscriber, node: Node) -> Json:
    """Subscribe the key's owner to a verified source and mirror what the filters take.

    Subscribing again changes the filters. Answers when the sync is done.
    """
    return show_subscribed(await node.subscriptions.subscribe(grant, body.sourceId, body.filters.to_filters()))


@router.post("/preview-subscription")
async def preview_subscription(body: Subscribe, grant: Subscriber, node: Node) -> Json:
    """Tell what filters would take of what a verified source lists, with every reason for what they skip.

    What it listed when it was last heard counts. Nothing is mirrored and no subscription changes.
    """
    return show_preview(await node.subscriptions.preview(grant, body.sourceId, body.filters.to_filters()))


@router.post("/change-subscription")
async def change_subscription(body: ChangeSubscription, grant: Subscriber, node: Node) -> Json:
    """Change what a subscription takes. Its source is due for a sync at once; what is mirrored stays."""
    subscription = await node.subscriptions.change(grant, body.id, body.filters.to_filters())
    return {
        "success": True,
        "message": f"It takes {subscription.filters.describe()} now; its source is due for a sync.",
        "subscription": subscription.to_json(),
    }


@router.get("/subscriptions")
async def list_subscriptions(
    grant: Reader,
    node: Node,
    source_id: Annotated[str | None, Query(alias="sourceId", max_length=400)] = None,
    ended: bool = False,
) -> list[Json]:
    """List subscriptions: all for an operator, its own for a subscriber."""
    found = await node.subscriptions.list(grant, source_id=source_id, ended=ended)
    return [subscription.to_json() for subscription in found]


@router.post("/unsubscribe")
async def unsubscribe(body: EndSubscription, grant: Subscriber, node: Node) -> Json:
    """End a subscription. What it brought stays mirrored."""
    subscription = await node.subscriptions.end(grant, body.id)
    return {"success": True, "subscription": subscription.to_json()}


@router.post("/sync", status_code=202)
async def start_sync(body: StartSync, grant: MirrorRunner, node: Node, tasks: Tasks) -> JSONResponse:
    """Begin a sync of a verified source and answer at once; follow it at ``/federation/syncs/{id}``.

    Where one is running already it is that one (``joined``); a recheck is refused then.
    """
    del grant
    begun = await node.syncs.begin(body.sourceId, recheck=body.recheck)
    if begun.lease is not None:
        work = node.syncs.run(begun.sync, begun.lease, recheck=body.recheck)
        tasks.spawn(f"sync {begun.sync.source_id}", work)
    follow = f"/federation/syncs/{begun.sync.id}"
    answer = {"success": True, "joined": begun.joined, "sync": begun.sync.to_json(), "follow": follow}
    return JSONResponse(answer, 202, headers={"Location": follow})


@router.get("/syncs/{sync_id}")
async def get_sync(sync_id: Annotated[int, Path(ge=1, le=2**31)], grant: Reader, node: Node) -> Json:
    """Tell how far a sync is."""
    del grant
    return (await node.syncs.get(sync_id)).to_json()
