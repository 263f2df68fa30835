"""Peers: which there are, and how each stands."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from pfn.domain.access import Scope
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

PeerId = Annotated[int, Path(ge=1, le=2**31)]


@router.get("/peers")
async def show_peers(request: Request, node: Node, viewer: Seen) -> Response:
    """Show every peer, and who wants to be one. Raises PfnError: ``key_required``, ``scope_missing``."""
    require(require_viewer(viewer), Scope.SOURCES_READ)
    return render(request, viewer, "peers.html", peers=await node.peers.list())


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
