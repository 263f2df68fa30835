"""About this node: who runs it, its keys and its log, its peers, what it takes in, and how to use it.

For everyone, where the catalogue is closed too: who has a key of the node must be able to compare it. What the node
holds and whom it knows is then for those who are signed in.
"""

import shlex

from fastapi import APIRouter, Request, Response

from pfn.domain.peer import PeerState
from pfn.web.access import Node
from pfn.web.hot import keep_hot
from pfn.web.pages.template import render
from pfn.web.pages.viewer import Seen

router = APIRouter(include_in_schema=False)


@router.get("/about")
async def show_about(request: Request, node: Node, viewer: Seen) -> Response:
    """Show what the node says of itself."""
    keep_hot(request.scope)
    opened = node.open_catalogue or viewer.grant is not None
    return render(
        request,
        viewer,
        "about.html",
        opened=opened,
        log=await node.log.standing(),
        halted=await node.log.halted(),
        peers=[peer for peer in await node.peers.list() if peer.state is PeerState.ACTIVE] if opened else [],
        measured=await node.measures.measure() if opened else None,
        peer_command=shlex.join(
            ["pfn", "peer", "add", node.description.url, "--identity-key", node.public_key.fingerprint]
        ),
        site_command=shlex.join(["pfn", "site-helper", "--node", node.address, "PLUGIN", "-o", "pfn-site.php"]),
        composer_command=shlex.join(["composer", "config", "repositories.VENDOR", _describe_repository(node.address)]),
    )


def _describe_repository(address: str) -> str:
    return f'{{"type": "composer", "url": "{address}/composer", "only": ["VENDOR/*"]}}'
