"""Sources that peers mirror and this node does not know: look at the key each peer names, then accept or refuse."""

from fastapi import APIRouter, Request, Response

from pfn.domain.access import Scope
from pfn.protocol.ed25519 import parse_public_key
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
from pfn.web.access import Node, Tasks
from pfn.web.links import source_path
from pfn.web.pages.language import gettext
from pfn.web.pages.patience import wait_briefly
from pfn.web.pages.sign_in import require_viewer
from pfn.web.pages.submission import ToWrite
from pfn.web.pages.template import go_to, render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)

_MOST_DIGITS = 9


@router.get("/proposals/{source_id}")
async def show_proposal(source_id: str, request: Request, node: Node, viewer: Seen) -> Response:
    """Show who names it, and by which key. Raises PfnError: ``key_required``, ``scope_missing``,
    ``proposal_unknown``.
    """
    require(require_viewer(viewer), Scope.SOURCES_WRITE)
    found = await node.proposals.find(source_id)
    hosts = {peer.id: peer.host for peer in await node.peers.list()}
    by_key: dict[str, list[tuple[int, str]]] = {}
    for one in found:
        by_key.setdefault(one.public_key, []).append((one.peer_id, hosts.get(one.peer_id, str(one.peer_id))))
    return render(
        request,
        viewer,
        "proposal.html",
        source_id=source_id,
        proposals=found,
        keys=[(parse_public_key(key).fingerprint, peers) for key, peers in by_key.items()],
    )


@router.post("/proposals/{source_id}/accept")
async def accept_proposal(source_id: str, node: Node, tasks: Tasks, form: ToWrite) -> Response:
    """Register it with the key that one of its peers names, and have that proven.

    Raises PfnError: ``proposal_unknown``, ``invalid_field``, what ``SourceService.add`` raises.
    """
    given = form.text("peer")
    if not (given.isascii() and given.isdecimal() and len(given) <= _MOST_DIGITS):
        raise PfnError(Code.INVALID_FIELD, "peer: must be a number.")
    source = await node.proposals.approve(form.grant.key_id, source_id, peer_id=int(given))
    work = node.verifications.verify_now_if_due(source.id)
    verification = await wait_briefly(tasks, f"verify {source.id}", work)
    if verification is None:
        note = gettext(
            "%(source)s is registered. Its verification goes on; reload the page to see how it ends.", source=source.id
        )
    else:
        note = gettext(
            "%(source)s is registered. Its first verification: %(outcome)s",
            source=source.id,
            outcome=verification.details,
        )
    return go_to(source_path(source.id), node, note)


@router.post("/proposals/{source_id}/refuse")
async def refuse_proposal(source_id: str, node: Node, form: ToWrite) -> Response:
    """Refuse it, whoever names it. Raises PfnError (``proposal_unknown``)."""
    await node.proposals.refuse(form.grant.key_id, source_id)
    note = gettext("%(source)s is refused. It can still be added by hand.", source=source_id)
    return go_to("/peers", node, note)
