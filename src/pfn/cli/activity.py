"""``pfn activity``."""

from typing import Annotated

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json
from pfn.cli.output import show_json, show_table, when
from pfn.client.node import NodeClient


def register(app: typer.Typer) -> None:
    """Add the command."""
    node_command(app, "activity")(list_activity)


async def list_activity(
    client: NodeClient,
    source: Annotated[str | None, typer.Option(help="Of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    as_json: Json = False,
) -> None:
    """Show what happened, newest first.

    Example: pfn activity --limit 50
    """
    page = await client.get("/federation/activity", limit=limit, source=source)
    if as_json:
        show_json(page)
        return
    show_table(
        ("when", "type", "what", "by"),
        ((when(row["timestamp"]), row["type"], row["details"]["sentence"], row["actor"]) for row in page["activities"]),
        empty="Nothing has happened yet.",
    )
