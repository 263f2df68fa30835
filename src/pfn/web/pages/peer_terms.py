"""On what terms a node is a peer: what is taken of it, whom zips are asked of first, whether it witnesses the log.

A form keeps what was typed where something in it cannot be used.
"""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.domain.peer import Peer
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.web.access import Node
from pfn.web.pages.language import gettext
from pfn.web.pages.peer import PeerId
from pfn.web.pages.peer_form import Given, read_terms, write_terms
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToPeer
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen, Viewer

router = APIRouter(include_in_schema=False)


@router.get("/peers/{peer_id}/policy")
async def show_terms(peer_id: PeerId, request: Request, node: Node, viewer: Seen) -> Response:
    """Show the form with what holds. Raises PfnError: ``key_required``, ``scope_missing``, ``peer_unknown``."""
    require(require_viewer(viewer), Scope.LOG_ADMIN)
    peer = await node.peers.get(peer_id)
    return _ask(request, viewer, peer, write_terms(peer))


@router.post("/peers/{peer_id}/policy")
async def change_terms(peer_id: PeerId, request: Request, node: Node, form: ToPeer) -> Response:
    """Change them. Raises PfnError (``peer_unknown``)."""
    peer = await node.peers.get(peer_id)
    given = read_terms(form)
    try:
        await node.peers.change(form.grant.key_id, peer_id, given.to_terms())
    except PfnError as error:
        if error.code is not Code.INVALID_FIELD:
            raise
        return _ask(request, form.viewer, peer, given, error)
    return go_to(f"/peers/{peer_id}", node, gettext("The terms of %(peer)s are changed.", peer=peer.url))


def _ask(request: Request, viewer: Viewer, peer: Peer, given: Given, error: PfnError | None = None) -> Response:
    return render(
        request,
        viewer,
        "peer_terms.html",
        error.code.status if error else 200,
        peer=peer,
        given=given,
        error=error.detail if error else None,
        field=error.detail.partition(":")[0] if error else None,
    )
