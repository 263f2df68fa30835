"""``pfn activity``."""

import json
import sys
from datetime import datetime
from typing import Annotated, Any

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json
from pfn.cli.output import err, out, printable, show_json, show_table, when
from pfn.client.events import follow_events
from pfn.client.node import NodeClient
from pfn.domain.activity import ActivityType

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
_WHEN = "DATE[THH:MM]"


def register(app: typer.Typer) -> None:
    """Add the command."""
    node_command(app, "activity")(list_activity)


async def list_activity(
    client: NodeClient,
    kind: Annotated[list[ActivityType] | None, typer.Option(help="Of this kind; may be repeated.")] = None,
    action: Annotated[str | None, typer.Option(help="What was done, e.g. source_suspended.")] = None,
    source: Annotated[str | None, typer.Option(help="Of this source.")] = None,
    plugin: Annotated[str | None, typer.Option(help="Of this plugin.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_FORMATS, metavar=_WHEN, help="Not before this local time.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_FORMATS, metavar=_WHEN, help="Before this local time.")
    ] = None,
    audit: Annotated[
        bool, typer.Option("--audit", help="Only private events: keys, sessions, subscribers. For operators.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 20,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Show what happens from now on, until Ctrl-C.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what happened, newest first, or with --follow as it happens.

    Examples:
      pfn activity --limit 50
      pfn activity --audit --since 2026-11-01
      pfn activity --follow --kind version_update --node https://plugins.example.com
    """
    about: dict[str, Any] = {
        "kind": [one.value for one in kind or ()],
        "action": action,
        "source": source,
        "plugin": plugin,
        "private": audit or None,
    }
    if follow:
        if since or until:
            raise typer.BadParameter("--follow begins now; --since and --until are for what was.")
        await _follow(client, about, as_json=as_json)
        return
    page = await client.get(
        "/federation/activity",
        **about,
        since=None if since is None else int(since.timestamp()),
        until=None if until is None else int(until.timestamp()),
        limit=limit,
    )
    if as_json:
        show_json(page)
        return
    show_table(
        ("when", "type", "what", "by"),
        ((when(row["timestamp"]), row["type"], row["details"]["sentence"], row["actor"]) for row in page["activities"]),
        empty="Nothing matches." if any((*about.values(), since, until)) else "Nothing has happened yet.",
    )


async def _follow(client: NodeClient, about: dict[str, Any], *, as_json: bool) -> None:
    async for event in follow_events(client, "/federation/events", **about):
        if event.name == "reset":
            err.print("[yellow]Some of what happened meanwhile is no longer kept by the node.[/yellow]")
            continue
        row = json.loads(event.data)
        if as_json:
            sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
            sys.stdout.flush()
            continue
        # Without a key the node does not say who.
        line = (when(row["timestamp"]), row["type"], row["details"]["sentence"], row.get("actor", ""))
        out.print("  ".join(printable(str(part)) for part in line).rstrip(), soft_wrap=True, markup=False)
