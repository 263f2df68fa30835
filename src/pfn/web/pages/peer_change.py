"""Suspend a peer, resume, forgive and remove it."""

from fastapi import APIRouter, Response

from pfn.web.access import Node
from pfn.web.pages.peer import PeerId
from pfn.web.pages.submission import ToPeer
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/peers/{peer_id}/suspend")
async def suspend_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """Read nothing of it for now. Raises PfnError: ``peer_unknown``, ``wrong_state``, ``invalid_field``."""
    reason = form.text("reason") or "suspended by the operator"
    peer = await node.peers.suspend(form.grant.key_id, peer_id, reason)
    return go_to(f"/peers/{peer_id}", node, f"{peer.url} is suspended: nothing of it is read or taken.")


@router.post("/peers/{peer_id}/resume")
async def resume_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """Read on. Raises PfnError: ``peer_unknown``, ``wrong_state``."""
    peer = await node.peers.resume(form.grant.key_id, peer_id)
    return go_to(f"/peers/{peer_id}", node, f"{peer.url} is resumed.")


@router.post("/peers/{peer_id}/forgive")
async def forgive_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """Try once more with a faulty peer. Raises PfnError: ``peer_unknown``, ``wrong_state``."""
    peer = await node.peers.forgive(form.grant.key_id, peer_id)
    return go_to(f"/peers/{peer_id}", node, f"{peer.url} is tried once more. What it did wrong stays on record.")


@router.post("/peers/{peer_id}/remove")
async def remove_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """End it, or refuse who introduced itself. Raises PfnError (``peer_unknown``)."""
    peer = await node.peers.remove(form.grant.key_id, peer_id)
    return go_to("/peers", node, f"{peer.url} is no peer of this node.")
