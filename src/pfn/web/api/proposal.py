"""What peers bring: sources that wait for an answer, and a run with a peer at a person's word."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from pfn.domain.peer import PeerState
from pfn.protocol.ed25519 import parse_public_key
from pfn.storage.peer import Proposal
from pfn.web.access import LogAdmin, Node, Reader, Tasks, Writer
from pfn.web.api.answers import Json
from pfn.web.api.peer import PeerId
from pfn.web.api.requests import Line
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Peers"], route_class=StrictRoute)


class RefuseProposal(BaseModel):
    """Which source is meant."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore")

    source: Line


class ApproveProposal(RefuseProposal):
    """Which source is meant, and, where peers name different keys, whose is right."""

    peer: Annotated[int | None, Field(ge=1, le=2**31)] = None


@router.get("/proposals")
async def list_proposals(grant: Reader, node: Node) -> list[Json]:
    """List the sources that peers mirror and this node does not know, oldest first."""
    del grant
    return [_show(one) for one in await node.proposals.list()]


@router.post("/proposals/approve")
async def approve_proposal(body: ApproveProposal, grant: Writer, node: Node, tasks: Tasks) -> Json:
    """Register a proposed source. It has to prove its key; until its publisher answers, peers may feed it."""
    source = await node.proposals.approve(grant.key_id, body.source, peer_id=body.peer)
    tasks.spawn(f"verify {source.id}", node.verifications.verify_now_if_due(source.id))
    message = f"{source.id} is registered with the key {parse_public_key(source.public_key).fingerprint}."
    return {"success": True, "source_id": source.id, "status": source.status.value, "message": message}


@router.post("/proposals/refuse")
async def refuse_proposal(body: RefuseProposal, grant: Writer, node: Node) -> Json:
    """Refuse a proposed source, whichever peer mirrors it."""
    await node.proposals.refuse(grant.key_id, body.source)
    return {"success": True, "message": f"{body.source} is refused; registering it by hand is still possible."}


@router.post("/peers/{peer_id}/sync")
async def sync_peer(peer_id: PeerId, grant: LogAdmin, node: Node) -> Json:
    """Read a peer's log on and take what is wanted, what failed before too. The answer comes when that is done.

    Showing the peer meanwhile tells how far it is. There is ``more`` to do where one run did not suffice.
    """
    del grant
    await node.peer_syncs.run_now(peer_id)
    report = await node.peers.report(peer_id)
    peer = report.peer
    message = f"{peer.read_to} of the {peer.size} entries of the log of {peer.url} were gone through."
    if peer.state_code is not None:
        message = f"{peer.url} is {peer.state.value}: {peer.state_detail}"
    more = peer.state is PeerState.ACTIVE and (peer.lag > 0 or report.untried > 0)
    return {
        "peer_id": peer.id,
        "status": peer.state.value,
        "message": message,
        "more": more,
        "missing": report.missing,
        "peer": peer.to_json(),
    }


def _show(one: Proposal) -> Json:
    return {
        "source": one.source_id,
        "peer": one.peer_id,
        "instance_url": one.instance_url,
        "username": one.username,
        "public_key": one.public_key,
        "fingerprint": parse_public_key(one.public_key).fingerprint,
        "proposed_at": one.proposed_at,
        "state": one.state,
    }
