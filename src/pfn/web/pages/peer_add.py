"""Take another node for a peer: one that is named here, or one that introduced itself."""

from fastapi import APIRouter, Response

from pfn.domain.peer import Terms
from pfn.web.access import Node, Tasks
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.peer import PeerId
from pfn.web.pages.peer_form import read_terms
from pfn.web.pages.submission import Submission, ToPeer
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/peers/add")
async def add_peer(node: Node, tasks: Tasks, form: ToPeer) -> Response:
    """Meet a node and take it for a peer. Raises PfnError as ``PeerIntroductions.add`` does, ``invalid_field``."""
    url = form.text("url", longest=2_000)
    adding = node.introductions.add(form.grant.key_id, url, _terms(form), fingerprint=_fingerprint(form))
    added = await wait_briefly(tasks, f"add peer {url}", adding)
    if added is None:
        return go_to("/peers", node, gettext("That node takes its time; reload the page to see how it ends."))
    return go_to(f"/peers/{added.peer.id}", node, added.sentence)


@router.post("/peers/{peer_id}/accept")
async def accept_peer(peer_id: PeerId, node: Node, tasks: Tasks, form: ToPeer) -> Response:
    """Accept who introduced itself. Raises PfnError as ``PeerIntroductions.accept`` does, ``invalid_field``."""
    accepting = node.introductions.accept(form.grant.key_id, peer_id, _terms(form), fingerprint=_fingerprint(form))
    peer = await wait_briefly(tasks, f"accept peer {peer_id}", accepting)
    if peer is None:
        return go_to(f"/peers/{peer_id}", node, gettext("It takes its time; reload the page to see how it ends."))
    return go_to(f"/peers/{peer_id}", node, gettext("%(peer)s proved its key and is a peer.", peer=peer.url))


def _terms(form: Submission) -> Terms:
    """Read the terms; a form that does not ask for them takes the usual ones."""
    given = read_terms(form)
    return given.to_terms() if "take" in form.fields else Terms(operator=given.operator or None)


def _fingerprint(form: Submission) -> str | None:
    return form.text("fingerprint") or None
