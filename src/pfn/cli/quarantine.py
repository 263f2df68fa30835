"""``pfn quarantine``: list, recheck, drop."""

from typing import Annotated

import typer

from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json
from pfn.cli.output import FAILED, say, show_json, show_table, when
from pfn.client.node import NodeClient

quarantine = typer.Typer(help="What failed a check: kept apart with its reason, never served.")

ItemId = Annotated[int, typer.Argument(metavar="ID", help="As in: pfn quarantine list")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(quarantine, name="quarantine", no_args_is_help=True)


@node_command(quarantine, "list")
async def list_items(
    client: NodeClient,
    source: Annotated[str | None, typer.Option(help="Of this source.")] = None,
    as_json: Json = False,
) -> None:
    """List what is in quarantine, newest first.

    Example: pfn quarantine list
    """
    rows = await client.get("/federation/quarantine", sourceId=source)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("id", "plugin", "version", "source", "code", "since", "details"),
        (
            (
                row["id"],
                row["plugin_id"],
                row["version"],
                row["source_id"],
                row["code"],
                when(row["quarantined_at"]),
                row["details"],
            )
            for row in rows
        ),
        empty="Quarantine is empty.",
    )


@node_command(quarantine, "recheck")
async def recheck(client: NodeClient, item_id: ItemId, as_json: Json = False) -> None:
    """Judge the bytes again under today's rules. Exit code 1 where they still fail.

    Example: pfn quarantine recheck 7
    """
    answer = await client.post("/federation/recheck-quarantined", {"id": item_id})
    if as_json:
        show_json(answer)
    else:
        say(answer["message"])
    if not answer["success"]:
        raise typer.Exit(FAILED)


@node_command(quarantine, "drop")
async def drop(client: NodeClient, item_id: ItemId, as_json: Json = False) -> None:
    """Delete an item and its bytes; the next sync tries the release afresh.

    Example: pfn quarantine drop 7
    """
    await post_and_say(client, "/federation/drop-quarantined", {"id": item_id}, as_json=as_json)
