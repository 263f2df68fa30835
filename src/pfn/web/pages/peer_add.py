"""Take another node for a peer: one that is named here, or one that introduced itself."""

from fastapi import APIRouter, Response

from pfn.domain.peer import Terms
from pfn.web.access import Node, Tasks
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.peer import PeerId
from pfn.web.pages.submission import ToPeer
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/peers/add")
async def add_peer(node: Node, tasks: Tasks, form: ToPeer) -> Response:
    """Meet a node and take it for a peer. Raises PfnError as ``PeerIntroductions.add`` does, ``invalid_field``."""
    url = form.text("url", longest=2_000)
    terms = Terms(operator=form.text("operator") or None)
    adding = node.introductions.add(form.grant.key_id, url, terms, fingerprint=form.text("fingerprint") or None)
    added = await wait_briefly(tasks, f"add peer {url}", adding)
    if added is None:
        return go_to("/peers", node, "That node takes its time; reload the page to see how it ends.")
    return go_to(f"/peers/{added.peer.id}", node, added.sentence)


@router.post("/peers/{peer_id}/accept")
async def accept_peer(peer_id: PeerId, node: Node, tasks: Tasks, form: ToPeer) -> Response:
    """Accept who introduced itself. Raises PfnError as ``PeerIntroductions.accept`` does, ``invalid_field``."""
    terms = Terms(operator=form.text("operator") or None)
    accepting = node.introductions.accept(form.grant.key_id, peer_id, terms)
    peer = await wait_briefly(tasks, f"accept peer {peer_id}", accepting)
    if peer is None:
        return go_to(f"/peers/{peer_id}", node, "It takes its time; reload the page to see how it ends.")
    return go_to(f"/peers/{peer_id}", node, f"{peer.url} proved its key and is a peer.")
