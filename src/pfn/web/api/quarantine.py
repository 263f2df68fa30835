"""Quarantine: what failed a check, kept apart with its reason."""

from typing import Annotated

from fastapi import APIRouter, Query

from pfn.web.access import MirrorRunner, Node, Writer
from pfn.web.api.answers import Json
from pfn.web.api.requests import NameQuarantined
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Quarantine"], route_class=StrictRoute)


@router.get("/quarantine")
async def list_quarantine(
    grant: Writer, node: Node, source_id: Annotated[str | None, Query(alias="sourceId", max_length=400)] = None
) -> list[Json]:
    """List what failed a check and is kept apart, newest first."""
    del grant
    return [item.to_json() for item in await node.quarantine.list(source_id=source_id)]


@router.post("/recheck-quarantined")
async def recheck_quarantined(body: NameQuarantined, grant: MirrorRunner, node: Node) -> Json:
    """Judge quarantined bytes again under today's rules; what passes is tried afresh at the next sync."""
    look = await node.quarantine.recheck(grant.key_id, body.id)
    return {"success": look.released, "message": look.sentence, "item": look.item.to_json()}


@router.post("/drop-quarantined")
async def drop_quarantined(body: NameQuarantined, grant: MirrorRunner, node: Node) -> Json:
    """Delete quarantined bytes. The next sync tries the release afresh."""
    item = await node.quarantine.drop(grant.key_id, body.id)
    return {"success": True, "message": f"{item.plugin_id} {item.version} was dropped.", "item": item.to_json()}
