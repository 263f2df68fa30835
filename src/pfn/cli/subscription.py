"""``pfn subscribe``, ``unsubscribe``, ``subscriptions``, ``sync``."""

from typing import Annotated

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json, SourceId
from pfn.cli.output import FAILED, say, show_json, show_table, when
from pfn.cli.progress import follow_sync, watch_source
from pfn.client.node import NodeClient


def register(app: typer.Typer) -> None:
    """Add the commands."""
    node_command(app, "subscribe")(subscribe)
    node_command(app, "unsubscribe")(unsubscribe)
    node_command(app, "subscriptions")(list_subscriptions)
    node_command(app, "sync")(sync)


async def subscribe(
    client: NodeClient,
    source_id: SourceId,
    tag: Annotated[list[str] | None, typer.Option("--tag", "-t", help="Take only plugins with this tag.")] = None,
    as_json: Json = False,
) -> None:
    """Subscribe to a verified source and mirror what the tags take; again to change the tags.

    Example: pfn subscribe alice@plugins.example.com --tag utilities --tag privacy
    """
    async with watch_source(client, source_id, quiet=as_json):
        answer = await client.post("/federation/subscribe", {"sourceId": source_id, "filters": {"tags": tag or []}})
    if as_json:
        show_json(answer)
    else:
        say(answer["message"])
    if not answer["syncResult"]["success"]:
        raise typer.Exit(FAILED)


async def unsubscribe(
    client: NodeClient,
    subscription_id: Annotated[int, typer.Argument(metavar="ID", help="As in: pfn subscriptions")],
    as_json: Json = False,
) -> None:
    """End a subscription; what it brought stays mirrored.

    Example: pfn unsubscribe 3
    """
    answer = await client.post("/federation/unsubscribe", {"id": subscription_id})
    if as_json:
        show_json(answer)
    else:
        ended = answer["subscription"]
        say(f"The subscription of {ended['subscriber']} to {ended['source_id']} ended.")


async def list_subscriptions(
    client: NodeClient,
    ended: Annotated[bool, typer.Option("--ended", help="Those that ended too.")] = False,
    as_json: Json = False,
) -> None:
    """List subscriptions: all for an operator, your own for a subscriber.

    Example: pfn subscriptions
    """
    rows = await client.get("/federation/subscriptions", ended=ended)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("id", "source", "subscriber", "tags", "since", "ended"),
        (
            (
                row["id"],
                row["source_id"],
                row["subscriber"],
                ", ".join(row["filters"].get("tags", ())) or "all",
                when(row["created_at"]),
                when(row["ended_at"]),
            )
            for row in rows
        ),
        empty="No subscriptions. Make one: pfn subscribe SOURCE",
    )


async def sync(
    client: NodeClient,
    source_id: SourceId,
    recheck: Annotated[
        bool, typer.Option("--recheck", help="Fetch known zips again and compare; try failed ones at once.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Sync a source now. Exit code 1 where the sync failed.

    Example: pfn sync alice@plugins.example.com
    """
    answer = await client.post("/federation/sync", {"sourceId": source_id, "recheck": recheck})
    result = await follow_sync(client, answer["sync"], quiet=as_json)
    if as_json:
        show_json(result)
    elif result["state"] == "finished":
        not_taken = f", {result['failed']} not taken (see: pfn source show {source_id})" if result["failed"] else ""
        say(f"{result['mirrored']} new of {result['total']} listed{not_taken}.")
    else:
        say(f"The sync {result['state']}: {result['detail']} ({result['code']})")
    if result["state"] != "finished":
        raise typer.Exit(FAILED)
