"""``pfn gc``, ``pfn scrub`` and ``pfn retention``: care of the data."""

import asyncio
import re
from typing import Annotated, Any

import typer

from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json
from pfn.cli.output import FAILED, say, show_json, show_table
from pfn.cli.progress import show_bytes
from pfn.client.node import NodeClient

retention = typer.Typer(help="Old releases: preview which zips would be kept no more, retire them, bring them back.")

_EVERY_S = 0.3
_HOURS = {"h": 1, "d": 24}
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Source = Annotated[str | None, typer.Option(help="Of this source only.")]
Versions = Annotated[
    int | None, typer.Option(min=0, help="Newest versions kept of each plugin, 0 for all.  [default: keep_versions]")
]
Days = Annotated[int | None, typer.Option(min=0, help="Days that all others are kept.  [default: keep_versions_days]")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    node_command(app, "gc")(gc)
    node_command(app, "scrub")(scrub)
    app.add_typer(retention, name="retention", no_args_is_help=True)


async def gc(
    client: NodeClient,
    grace: Annotated[
        str | None, typer.Option(help="Keep what is younger, as 24h or 7d.  [default: gc_grace_days]")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what would be deleted.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Collect garbage: delete stored zips that no release needs, and what was left half there.

    Example: pfn gc --dry-run
    """
    hours = None if grace is None else _read_hours(grace)
    if dry_run or not yes:
        found = await client.get("/federation/garbage", hours=hours)
        if dry_run:
            _show(found, as_json=as_json)
            return
        typer.confirm(f"{found['message']} Delete them?", abort=True, err=True)
    await post_and_say(client, "/federation/collect-garbage", {"hours": hours}, as_json=as_json)


async def scrub(
    client: NodeClient,
    rate: Annotated[
        str | None, typer.Option(help="Read no faster, as 50MB/s; 0 for no limit.  [default: scrub_rate]")
    ] = None,
    status: Annotated[bool, typer.Option("--status", help="Only tell how the stored zips stand.")] = False,
    as_json: Json = False,
) -> None:
    """Hash all stored zips again, longest unchecked first, and mend what is damaged. Exit code 1 where some stays so.

    What was interrupted goes on where it was.

    Example: pfn scrub --rate 50MB/s
    """
    body = {"rate": None if rate is None else _read_rate(rate)}
    found = await client.get("/federation/scrub") if status else await client.post("/federation/scrub", body)
    if not status:
        found = await _follow(client, found, quiet=as_json)
    if as_json:
        show_json(found)
    else:
        say(f"Zips stored: {found['blobs']}, {found['bytes']} bytes; damaged: {found['damaged']}.")
        if found["outcome"]:
            say(found["outcome"])
        if found["unfinished"]:
            say(f"A look over them is not done; left: {found['left']}.")
    if found["damaged"] or (not status and found["unfinished"]):
        raise typer.Exit(FAILED)


@node_command(retention, "preview")
async def preview(
    client: NodeClient, versions: Versions = None, days: Days = None, source: Source = None, as_json: Json = False
) -> None:
    """Tell which old releases a policy would retire, and what else is old enough to be forgotten.

    Example: pfn retention preview --versions 5 --days 365
    """
    found = await client.get("/federation/retention", versions=versions, days=days, sourceId=source)
    if as_json:
        show_json(found)
        return
    _show_plan(found)
    old = ", ".join(f"{count} {name}" for name, count in found["forgotten_by_tidying"].items() if count)
    say(f"Forgotten when the node next tidies up: {old or 'nothing'}.")
    retired = found["retired"]
    say(f"Releases retired already: {retired['releases']}; their zips gone: {retired['gone']}.")


@node_command(retention, "apply")
async def apply(
    client: NodeClient,
    versions: Versions = None,
    days: Days = None,
    source: Source = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Retire old releases: their zips are given out no more, and deleted when the grace period is over.

    Example: pfn retention apply --versions 5 --days 365
    """
    if not yes:
        found = await client.get("/federation/retention", versions=versions, days=days, sourceId=source)
        if not as_json:
            _show_plan(found)
        typer.confirm(f"Retire {found['releases']} releases?", abort=True, err=True)
    body: dict[str, object] = {"versions": versions, "days": days, "sourceId": source}
    await post_and_say(client, "/federation/retire", body, as_json=as_json)


@node_command(retention, "undo")
async def undo(client: NodeClient, source: Source = None, as_json: Json = False) -> None:
    """Bring back what is retired; zips that are gone already are fetched by the next scrub.

    Example: pfn retention undo --source alice@plugins.example.com
    """
    await post_and_say(client, "/federation/unretire", {"sourceId": source}, as_json=as_json)


async def _follow(client: NodeClient, found: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    total = found["left_bytes"]
    with show_bytes("scrub", total, quiet=quiet) as progress:
        while found["running"]:
            await asyncio.sleep(_EVERY_S)
            found = await client.get("/federation/scrub")
            progress.update(progress.task_ids[0], completed=max(0, total - found["left_bytes"]))
    return found


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        say(found["message"])


def _show_plan(found: dict[str, Any]) -> None:
    show_table(
        ("source", "plugin", "versions"),
        ((one["source_id"], one["plugin_id"], ", ".join(one["versions"])) for one in found["named"]),
        empty="No release is old enough to be retired.",
    )
    if found["plugins"] > len(found["named"]):
        say(f"and more plugins: {found['plugins'] - len(found['named'])}")
    say(f"In all: {found['message']}")


def _read_hours(text: str) -> int:
    found = re.fullmatch(r"(\d{1,5})([hd])", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no time; write for example: 24h or 7d.", param_hint="--grace")
    return int(found[1]) * _HOURS[found[2]]


def _read_rate(text: str) -> int:
    found = re.fullmatch(r"(\d{1,12})\s*([kmg]i?)?(?:b(?:/s)?)?", text.strip().lower())
    if found is None:
        raise typer.BadParameter(f"{text!r} is no rate; write for example: 50MB/s.", param_hint="--rate")
    return int(found[1]) * _UNITS[found[2] or ""]
