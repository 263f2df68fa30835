"""Peers: which there are, and how each stands."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.storage.peer import Proposal
from pfn.web.access import Node
from pfn.web.pages.peer_form import Given
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_PROPOSED = 50
PeerId = Annotated[int, Path(ge=1, le=2**31)]


@router.get("/peers")
async def show_peers(request: Request, node: Node, viewer: Seen) -> Response:
    """Show every peer, who wants to be one, what they propose, and who witnesses the log.

    Raises PfnError: ``key_required``, ``scope_missing``.
    """
    require(require_viewer(viewer), Scope.SOURCES_READ)
    proposed: dict[str, list[Proposal]] = {}
    for one in await node.proposals.list():
        proposed.setdefault(one.source_id, []).append(one)
    return render(
        request,
        viewer,
        "peers.html",
        peers=await node.peers.list(),
        proposed=list(proposed.items())[:_PROPOSED],
        more=max(0, len(proposed) - _PROPOSED),
        standing=await node.log.standing(),
        given=Given(),
    )


@router.get("/peers/{peer_id}")
async def show_peer(peer_id: PeerId, request: Request, node: Node, viewer: Seen) -> Response:
    """Show one. Raises PfnError: ``key_required``, ``scope_missing``, ``peer_unknown``."""
    require(require_viewer(viewer), Scope.SOURCES_READ)
    report = await node.peers.report(peer_id)
    return render(request, viewer, "peer.html", peer=report.peer, report=report)


@router.get("/peers/{peer_id}/remove")
async def show_remove_peer(peer_id: PeerId, request: Request, node: Node, viewer: Seen) -> Response:
    """Ask before it is done. Raises PfnError: ``key_required``, ``scope_missing``, ``peer_unknown``."""
    require(require_viewer(viewer), Scope.LOG_ADMIN)
    return render(request, viewer, "peer_remove.html", peer=await node.peers.get(peer_id))
