"""``pfn schedule``."""

from typing import Annotated

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json
from pfn.cli.output import show_json, show_table, when
from pfn.client.node import NodeClient


def register(app: typer.Typer) -> None:
    """Add the command."""
    node_command(app, "schedule")(list_schedule)


async def list_schedule(
    client: NodeClient,
    source_id: Annotated[
        str | None, typer.Argument(metavar="[SOURCE]", help="Of this source; left out, of all.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 100,
    as_json: Json = False,
) -> None:
    """List the work that is due, soonest first.

    Example: pfn schedule alice@plugins.example.com
    """
    rows = await client.get("/federation/schedule", sourceId=source_id, limit=limit)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("kind", "of", "due", "failures", "under way until", "last run", "ended"),
        (
            (
                row["kind"],
                row["subject"] or "(the node)",
                when(row["due_at"]),
                row["failures"] or None,
                when(row["lease_until"]) if row["leased"] else None,
                when(row["ran_at"]),
                row["outcome"],
            )
            for row in rows
        ),
        empty="Nothing is scheduled.",
    )
