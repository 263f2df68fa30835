"""Care of the data: collect garbage, look over the stored bytes, retire old releases."""

from typing import Annotated

from fastapi import APIRouter, Query

from pfn.domain.retention import Policy
from pfn.services.node import Services
from pfn.services.retention import Plan
from pfn.web.access import MirrorRunner, Node, Tasks, Writer
from pfn.web.api.answers import Json
from pfn.web.api.requests import CollectGarbage, Retire, Scrub, SomeSource
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Care of the data"], route_class=StrictRoute)

_HOUR = 3600
Hours = Annotated[int | None, Query(ge=1, le=24 * 3650)]


@router.get("/garbage")
async def look_for_garbage(grant: Writer, node: Node, hours: Hours = None) -> Json:
    """Tell what stored bytes nothing needs and did not for so many ``hours``; nothing is deleted."""
    del grant
    found = await node.garbage.look(None if hours is None else hours * _HOUR)
    return {**found.to_json(), "message": found.describe()}


@router.post("/collect-garbage")
async def collect_garbage(body: CollectGarbage, grant: MirrorRunner, node: Node) -> Json:
    """Delete them. What releases and quarantine need stays, and so does what arrived within the grace period."""
    gone = await node.garbage.collect(grant.key_id, None if body.hours is None else body.hours * _HOUR)
    return {"success": True, "message": gone.describe(), **gone.to_json()}


@router.get("/scrub")
async def show_scrub(grant: Writer, node: Node) -> Json:
    """Tell how the stored bytes stand: the oldest look at any, how many are damaged, what a look has left to do."""
    del grant
    return (await node.scrubs.status()).to_json()


@router.post("/scrub", status_code=202)
async def scrub(body: Scrub, grant: MirrorRunner, node: Node, tasks: Tasks) -> Json:
    """Begin to hash all stored bytes again and to mend what is damaged, or go on where that was not done."""
    del grant
    lease = await node.scrubs.begin()
    tasks.spawn("scrub", node.scrubs.run(lease, body.rate))
    status = await node.scrubs.status()
    return {"success": True, "message": "The stored bytes are being looked over.", **status.to_json()}


@router.get("/retention")
async def preview_retention(
    grant: Writer,
    node: Node,
    versions: Annotated[int | None, Query(ge=0, le=1_000_000)] = None,
    days: Annotated[int | None, Query(ge=0, le=36_500)] = None,
    source_id: Annotated[str | None, Query(alias="sourceId", max_length=400)] = None,
) -> Json:
    """Tell which old releases a policy, by default the node's, would retire; and what else is old enough to go."""
    del grant
    plan = await node.retention.preview(_choose(node, versions, days), source_id=source_id)
    retired = await node.retention.standing()
    return {
        **_show(plan),
        "forgotten_by_tidying": await node.retention.count_history(),
        "retired": {"releases": retired.releases, "gone": retired.gone},
    }


@router.post("/retire")
async def retire(body: Retire, grant: Writer, node: Node) -> Json:
    """Retire old releases: their bytes are not served any more, and deleted when the grace period is over."""
    plan = await node.retention.apply(grant.key_id, _choose(node, body.versions, body.days), source_id=body.sourceId)
    return {**_show(plan), "success": True, "message": f"Retired. {plan.describe()}"}


@router.post("/unretire")
async def unretire(body: SomeSource, grant: Writer, node: Node) -> Json:
    """Bring retired releases back; bytes that are gone are fetched by the next look over the stored bytes."""
    back = await node.retention.undo(grant.key_id, source_id=body.sourceId)
    message = f"Retired releases brought back: {back.releases}."
    if back.missing:
        message += f" The bytes of {back.missing} are gone; the next scrub fetches them."
    return {"success": True, "message": message, "releases": back.releases, "missing": back.missing}


def _choose(node: Services, versions: int | None, days: int | None) -> Policy:
    own = node.retention.policy
    return Policy(own.versions if versions is None else versions, own.days if days is None else days)


def _show(plan: Plan) -> Json:
    return {**plan.to_json(), "message": plan.describe()}
