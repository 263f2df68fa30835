"""Suspend a peer, resume, forgive and remove it, and have it read now."""

from fastapi import APIRouter, Response

from pfn.domain.peer import PeerState
from pfn.protocol.errors import Fault, PfnError
from pfn.web.access import Node, Tasks
from pfn.web.pages.language import gettext, ngettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.peer import PeerId
from pfn.web.pages.submission import ToPeer
from pfn.web.pages.template import go_to

router = APIRouter(include_in_schema=False)


@router.post("/peers/{peer_id}/sync")
async def sync_peer(peer_id: PeerId, node: Node, tasks: Tasks, form: ToPeer) -> Response:
    """Read its log on and take what is wanted, what failed before too. Raises PfnError: ``peer_unknown``,
    ``wrong_state``.
    """
    del form
    here = f"/peers/{peer_id}"
    try:
        done = await wait_briefly(tasks, f"sync peer {peer_id}", node.peer_syncs.run_now(peer_id))
    except PfnError as error:
        if error.code.fault is Fault.CALLER:
            raise
        return go_to(here, node, gettext("It could not be read. %(why)s", why=error.detail))
    if done is None:
        return go_to(here, node, gettext("It is being read; reload the page to see how far it is."))
    report = await node.peers.report(peer_id)
    if report.peer.state is not PeerState.ACTIVE:
        return go_to(here, node, gettext("It was read, and something in its log does not hold: see below."))
    note = gettext(
        "%(read)s of the %(size)s entries of its log were gone through.",
        read=report.peer.read_to,
        size=report.peer.size,
    )
    if report.missing:
        missing = ngettext("%(num)s release is missing still.", "%(num)s releases are missing still.", report.missing)
        note = f"{note} {missing}"
    return go_to(here, node, note)


@router.post("/peers/{peer_id}/suspend")
async def suspend_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """Read nothing of it for now. Raises PfnError: ``peer_unknown``, ``wrong_state``, ``invalid_field``."""
    reason = form.text("reason") or "suspended by the operator"
    peer = await node.peers.suspend(form.grant.key_id, peer_id, reason)
    note = gettext("%(peer)s is suspended: nothing of it is read or taken.", peer=peer.url)
    return go_to(f"/peers/{peer_id}", node, note)


@router.post("/peers/{peer_id}/resume")
async def resume_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """Read on. Raises PfnError: ``peer_unknown``, ``wrong_state``."""
    peer = await node.peers.resume(form.grant.key_id, peer_id)
    return go_to(f"/peers/{peer_id}", node, gettext("%(peer)s is resumed.", peer=peer.url))


@router.post("/peers/{peer_id}/forgive")
async def forgive_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """Try once more with a faulty peer. Raises PfnError: ``peer_unknown``, ``wrong_state``."""
    peer = await node.peers.forgive(form.grant.key_id, peer_id)
    note = gettext("%(peer)s is tried once more. What it did wrong stays on record.", peer=peer.url)
    return go_to(f"/peers/{peer_id}", node, note)


@router.post("/peers/{peer_id}/remove")
async def remove_peer(peer_id: PeerId, node: Node, form: ToPeer) -> Response:
    """End it, or refuse who introduced itself. Raises PfnError (``peer_unknown``)."""
    peer = await node.peers.remove(form.grant.key_id, peer_id)
    return go_to("/peers", node, gettext("%(peer)s is no peer of this node.", peer=peer.url))
