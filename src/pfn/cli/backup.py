"""``pfn backup`` and ``pfn restore``: a copy of all that a node is, and a node made of it again."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import typer
from rich.filesize import decimal
from rich.markup import escape

from pfn.cli.node import Data
from pfn.cli.options import Json
from pfn.cli.output import FAILED, err, say, show_json, when
from pfn.cli.progress import show_steps
from pfn.protocol.errors import Code, PfnError
from pfn.settings import load_settings

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The backup's folder.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(folder: Folder, data: Data = None, as_json: Json = False) -> None:
    """Back a node up into a folder while it runs: rows, keys, zips. Zips that are there already are not copied again.

    The folder holds the node's secret keys: keep it as safe as the node. Exit code 1 where the node had lost zips.

    Example: pfn backup /mnt/backup/pfn --data /srv/pfn
    """
    from pfn.app import back_up_node

    settings = load_settings({"data": data}, os.environ).settings
    with show_steps(quiet=as_json) as report:
        done = asyncio.run(back_up_node(settings, folder, report))
    zips = done.manifest.zips
    if as_json:
        show_json(done.manifest.model_dump(mode="json") | {"copied": done.copied})
    else:
        say(
            f"Backed up to {escape(str(folder))}: {done.manifest.log_size} log entries, {zips.count} zips "
            f"({decimal(zips.size)}), {done.copied} of them new."
        )
    if zips.lost:
        err.print(
            f"[bold red]The node has lost {len(zips.lost)} zips,[/bold red] which are missing here too. "
            "Whoever publishes or mirrors them may have them still.",
            soft_wrap=True,
        )
        raise typer.Exit(FAILED)


def restore(
    folder: Folder,
    to: Annotated[Path | None, typer.Option("--to", help="An empty folder to make the node in.")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="Look the backup over; change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Look a backup over, or make a node of it in an empty folder. Every file, zip and log entry is checked.

    A restored node logs nothing new before its peers were asked what it logged since the backup; see: pfn doctor

    Example: pfn restore /mnt/backup/pfn --verify
    Example: pfn restore /mnt/backup/pfn --to /srv/pfn
    """
    from pfn.services.restore import restore_backup, verify_backup

    if verify == (to is not None):
        raise PfnError(Code.CONFIG_INVALID, "Say what to do: --verify, or --to FOLDER.")
    with show_steps(quiet=as_json) as report:
        made = asyncio.run(verify_backup(folder, report) if to is None else restore_backup(folder, to, report))
    if as_json:
        show_json(made.model_dump(mode="json"))
        return
    say(
        f"[green]All of it holds:[/green] the node {escape(made.origin)} as of {when(made.taken_at)}, "
        f"{made.log_size} log entries, {made.state_count} releases, {made.zips.count - len(made.zips.lost)} zips."
    )
    if to is not None:
        say(f"It is in {escape(str(to))}. Its settings, if it had a file of them, are in pfn.toml.backup there.")
        say(f"Next: pfn serve --data {escape(str(to))}, and then: pfn doctor --data {escape(str(to))}")
