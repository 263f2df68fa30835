"""``pfn peer proposals``, ``approve``, ``refuse``, ``sync``: what peers bring, and have it brought now."""

from typing import Annotated

import typer

from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json
from pfn.cli.output import say, show_json, show_table, when
from pfn.cli.peer import PeerId, peer
from pfn.cli.progress import watch_peer
from pfn.client.node import NodeClient

Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="As in: pfn peer proposals")]


def register(app: typer.Typer) -> None:
    """Add the commands to those of ``pfn peer``."""
    del app
    node_command(peer, "proposals")(list_proposals)
    node_command(peer, "approve")(approve)
    node_command(peer, "refuse")(refuse)
    node_command(peer, "sync")(sync)


async def list_proposals(client: NodeClient, as_json: Json = False) -> None:
    """List the sources that peers mirror and this node does not know.

    Example: pfn peer proposals
    """
    rows = await client.get("/federation/proposals")
    if as_json:
        show_json(rows)
        return
    show_table(
        ("source", "instance", "key", "peer", "since"),
        (
            (row["source"], row["instance_url"], row["fingerprint"], row["peer"], when(row["proposed_at"]))
            for row in rows
        ),
        empty="No source waits for an answer.",
    )


async def approve(
    client: NodeClient,
    source_id: SourceId,
    whose: Annotated[int | None, typer.Option("--peer", help="Take the key that this peer names.")] = None,
    as_json: Json = False,
) -> None:
    """Register a proposed source. Compare its key with the publisher's own word first.

    Example: pfn peer approve alice@plugins.example.com
    """
    body: dict[str, object] = {"source": source_id} if whose is None else {"source": source_id, "peer": whose}
    await post_and_say(client, "/federation/proposals/approve", body, as_json=as_json)


async def refuse(client: NodeClient, source_id: SourceId, as_json: Json = False) -> None:
    """Refuse a proposed source, whichever peer mirrors it.

    Example: pfn peer refuse alice@plugins.example.com
    """
    await post_and_say(client, "/federation/proposals/refuse", {"source": source_id}, as_json=as_json)


async def sync(client: NodeClient, peer_id: PeerId, quiet: Quiet = False, as_json: Json = False) -> None:
    """Read a peer's log on and take what is wanted of it now; what failed before is tried again.

    Example: pfn peer sync 2
    """
    async with watch_peer(client, peer_id, quiet=quiet or as_json):
        answer = await client.post(f"/federation/peers/{peer_id}/sync", {})
        while answer["more"]:
            answer = await client.post(f"/federation/peers/{peer_id}/sync", {})
    if as_json:
        show_json(answer)
    else:
        missing = f" {answer['missing']} releases are missing: pfn peer show {peer_id}" if answer["missing"] else ""
        say(f"{answer['message']}{missing}")
