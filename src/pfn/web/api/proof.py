"""The log for programs: the bundle that proves a release, how the log stands, and its mending."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from pfn.protocol.errors import PfnError
from pfn.protocol.log.bundle import write_bundle
from pfn.protocol.log.policy_text import write_policy
from pfn.protocol.peer_leaves import write_kept_leaves
from pfn.web.access import LogAdmin, Node
from pfn.web.api.answers import Json
from pfn.web.api.release import Required, Text
from pfn.web.headers import PUBLIC
from pfn.web.strict_route import StrictRoute
from pfn.web.validator import not_modified

router = APIRouter(prefix="/federation", tags=["Log"], route_class=StrictRoute)

Index = Annotated[int, Query(ge=0, le=2**53)]
Lean = Annotated[bool, Query(description="Leave out key documents and catalogue, the same for all of a source.")]


@router.get("/proof", response_class=Response)
async def get_proof(
    request: Request, node: Node, source: Required, plugin: Required, version: Text = None, lean: Lean = False
) -> Response:
    """Give everything that vouches for a release, to be verified offline: `pfn verify --bundle`."""
    body = write_bundle(await node.proofs.prove(source, plugin, version, lean=lean))
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {**PUBLIC, "ETag": etag, "Cache-Control": "no-cache", "Content-Type": "application/json"}
    return (
        Response(status_code=304, headers=headers) if not_modified(request, etag) else Response(body, headers=headers)
    )


@router.get("/log")
async def show_log(node: Node) -> Response:
    """Tell how the node's log stands, who witnesses it, and the policy by which its own node would have it judged."""
    standing = await node.log.standing()
    try:
        policy = write_policy(await node.log.policy()).decode()
    except PfnError:
        policy = None
    content: Json = {
        "origin": standing.origin,
        "verifier_key": node.log.key.text,
        "size": standing.size,
        "root": None if standing.root is None else standing.root.hex(),
        "signed_at": standing.signed_at,
        "halted": await node.log.halted(),
        "quorum": standing.quorum,
        "witnesses": [one.to_json() for one in standing.witnesses],
        "policy": policy,
    }
    return JSONResponse(content, headers={**PUBLIC, "Cache-Control": "public, max-age=5"})


@router.post("/log/resume")
async def resume_log(grant: LogAdmin, node: Node) -> Json:
    """Take new entries again after the log was halted; refused while it lacks what it signed."""
    await node.log.resume(grant.key_id)
    return {"success": True, "message": "The log takes new entries again."}


@router.post("/log/recover")
async def recover_log(grant: LogAdmin, node: Node) -> Json:
    """Fetch lost entries of the node's own log from its peers, put them back and resume."""
    recovered = await node.recovery.recover(grant.key_id)
    message = f"The log has its {recovered.size} entries and takes new ones."
    if recovered.peer is not None:
        message = f"{recovered.entries} entries came back from {recovered.peer}. {message}"
    return {
        "success": True,
        "message": message,
        "entries": recovered.entries,
        "peer": recovered.peer,
        "size": recovered.size,
    }


@router.get("/peer-leaves", response_class=Response)
async def get_peer_leaves(node: Node, origin: Required, start: Index, end: Index) -> Response:
    """Give leaves of a peer's log as they are kept here, a page of them: for that very peer, if it lost them."""
    kept = await node.recovery.kept_leaves(origin, start, end)
    return Response(write_kept_leaves(kept), media_type="application/json", headers=PUBLIC)
