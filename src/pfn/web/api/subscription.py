"""Subscriptions and syncs."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from fastapi.responses import JSONResponse

from pfn.web.access import MirrorRunner, Node, Reader, Subscriber, Tasks
from pfn.web.api.answers import Json, show_subscribed
from pfn.web.api.requests import EndSubscription, StartSync, Subscribe
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Subscriptions and syncs"], route_class=StrictRoute)


@router.post("/subscribe")
async def subscribe(body: Subscribe, grant: Subscriber, node: Node) -> Json:
    """Subscribe the key's owner to a verified source and mirror what the filters take.

    Subscribing again changes the filters. Answers when the sync is done.
    """
    return show_subscribed(await node.subscriptions.subscribe(grant, body.sourceId, body.to_filters()))


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
    """Begin a sync of a verified source and answer at once; follow it at ``/federation/syncs/{id}``."""
    del grant
    sync = await node.syncs.begin(body.sourceId)
    tasks.spawn(f"sync {sync.source_id}", node.syncs.run(sync, recheck=body.recheck))
    follow = f"/federation/syncs/{sync.id}"
    return JSONResponse({"success": True, "sync": sync.to_json(), "follow": follow}, 202, headers={"Location": follow})


@router.get("/syncs/{sync_id}")
async def get_sync(sync_id: Annotated[int, Path(ge=1, le=2**31)], grant: Reader, node: Node) -> Json:
    """Tell how far a sync is."""
    del grant
    return (await node.syncs.get(sync_id)).to_json()
