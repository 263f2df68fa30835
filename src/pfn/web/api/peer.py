"""Other nodes: who this one is, and who its peers are.

What nodes ask each other, ``/federation/node`` and ``/federation/peers/hello``, needs no key; all else does.
"""

from typing import Annotated

from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse

from pfn.domain.peer import Peer
from pfn.services.peer import PeerReport
from pfn.storage.peer import Want
from pfn.storage.witness import LogEvidence
from pfn.web.access import LogAdmin, Node, Reader
from pfn.web.api.answers import Json, show_due
from pfn.web.api.peer_requests import AcceptPeer, AddPeer, Hello, PeerTerms, ProveNode, SuspendPeer
from pfn.web.headers import PUBLIC
from pfn.web.strict_route import StrictRoute

router = APIRouter(prefix="/federation", tags=["Peers"], route_class=StrictRoute)

PeerId = Annotated[int, Path(ge=1, le=2**31)]


@router.get("/node")
async def describe_node(node: Node) -> JSONResponse:
    """Say which node this is: its address, its operator, and the keys of its identity, log and witness."""
    headers = {**PUBLIC, "Cache-Control": "public, max-age=60"}
    return JSONResponse(node.description.to_json(), headers=headers)


@router.post("/node/prove")
async def prove_node(body: ProveNode, node: Node) -> Json:
    """Sign a fresh challenge to this node with its identity key, and nothing else."""
    return {"signature": node.introductions.prove(body.challenge)}


@router.post("/peers", status_code=201)
async def add_peer(body: AddPeer, grant: LogAdmin, node: Node) -> Json:
    """Take another node for a peer, once it has proven its key, and introduce this one to it."""
    added = await node.introductions.add(grant.key_id, body.url, body.to_terms(), fingerprint=body.identity_key)
    return {**_show_done(added.peer, added.sentence), "status_there": added.standing}


@router.get("/peers")
async def list_peers(grant: Reader, node: Node) -> list[Json]:
    """List peers and those who want to be one, oldest first."""
    return [peer.to_json() for peer in await node.peers.list()]


@router.post("/peers/hello")
async def introduce_peer(body: Hello, node: Node) -> Json:
    """Introduce a node: it must prove its key at its own address, and then waits for this node's operator."""
    return {"status": (await node.introductions.hello(body.url)).value}


@router.get("/peers/{peer_id}")
async def get_peer(peer_id: PeerId, grant: Reader, node: Node) -> Json:
    """Show a peer: how far its log was read, what of it is missing and why, whether both nodes hold the same."""
    return _show_report(await node.peers.report(peer_id), node.clock())


@router.post("/peers/{peer_id}/accept")
async def accept_peer(peer_id: PeerId, body: AcceptPeer, grant: LogAdmin, node: Node) -> Json:
    """Take a node that introduced itself for a peer; it proves its key again."""
    peer = await node.introductions.accept(grant.key_id, peer_id, body.to_terms(), fingerprint=body.identity_key)
    return _show_done(peer, f"{peer.url} is a peer.")


@router.post("/peers/{peer_id}/suspend")
async def suspend_peer(peer_id: PeerId, body: SuspendPeer, grant: LogAdmin, node: Node) -> Json:
    """Read and take nothing of it for now; its witness is not counted meanwhile."""
    peer = await node.peers.suspend(grant.key_id, peer_id, body.reason)
    return _show_done(peer, f"{peer.url} is suspended.")


@router.post("/peers/{peer_id}/resume")
async def resume_peer(peer_id: PeerId, grant: LogAdmin, node: Node) -> Json:
    """End a suspension; its log is read on from where that stopped."""
    peer = await node.peers.resume(grant.key_id, peer_id)
    return _show_done(peer, f"{peer.url} is resumed.")


@router.post("/peers/{peer_id}/forgive")
async def forgive_peer(peer_id: PeerId, grant: LogAdmin, node: Node) -> Json:
    """Try once more with a faulty peer. What it did wrong stays on record; the same again makes it faulty again."""
    peer = await node.peers.forgive(grant.key_id, peer_id)
    return _show_done(peer, f"{peer.url} is tried once more.")


@router.post("/peers/{peer_id}/policy")
async def change_peer(peer_id: PeerId, body: PeerTerms, grant: LogAdmin, node: Node) -> Json:
    """Change what is taken of it, who runs it, whether it is a witness. Another policy goes through all of its log."""
    peer = await node.peers.change(grant.key_id, peer_id, body.to_terms())
    return _show_done(peer, f"The terms of {peer.url} are changed.")


@router.post("/peers/{peer_id}/remove")
async def remove_peer(peer_id: PeerId, grant: LogAdmin, node: Node) -> Json:
    """End it, or refuse who introduced itself. What was taken of it stays."""
    peer = await node.peers.remove(grant.key_id, peer_id)
    return _show_done(peer, f"{peer.url} is no peer of this node.")


def _show_done(peer: Peer, message: str) -> Json:
    return {"peer_id": peer.id, "status": peer.state.value, "message": message, "peer": peer.to_json()}


def _show_report(report: PeerReport, now: float) -> Json:
    return {
        **report.peer.to_json(),
        "missing": report.missing,
        "untried": report.untried,
        "wants": [_show_want(want) for want in report.wants],
        "evidence": [_show_evidence(one) for one in report.evidence],
        "schedule": [show_due(due, now) for due in report.schedule],
        "own_log_size": report.own_size,
    }


def _show_want(want: Want) -> Json:
    return {
        "source": want.source_id,
        "plugin": want.plugin_id,
        "version": want.version,
        "index": want.idx,
        "sha256": want.sha256,
        "code": want.code,
        "details": want.details,
        "retry_count": want.retry_count,
        "next_retry": want.due_at,
    }


def _show_evidence(evidence: LogEvidence) -> Json:
    return {
        "origin": evidence.origin,
        "kind": evidence.kind,
        "details": evidence.details,
        "digest": evidence.digest,
        "found_at": evidence.found_at,
    }
