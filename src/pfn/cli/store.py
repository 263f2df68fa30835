"""``pfn store``: where a node has its rows and its zips."""

import asyncio
import os
from typing import Annotated

import typer
from rich.markup import escape

from pfn.cli.node import Data
from pfn.cli.options import Json
from pfn.cli.output import say, show_json
from pfn.cli.progress import show_steps
from pfn.protocol.errors import Code, PfnError
from pfn.settings import load_settings

store = typer.Typer(help="Where the node has its rows and its zips.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(store, name="store", no_args_is_help=True)


@store.command("migrate")
def migrate(
    to_database: Annotated[
        str | None,
        typer.Option("--to-database", envvar="PFN_TO_DATABASE", help="postgresql://…, or the path of a SQLite file."),
    ] = None,
    to_blobs: Annotated[
        str | None,
        typer.Option("--to-blobs", envvar="PFN_TO_BLOBS", help="s3://bucket/prefix, or a folder."),
    ] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Move a stopped node's rows to an empty database, its zips to a bucket or a folder, or both; say how to go on.

    The source keeps everything, but its log is halted. Killed half-way, the same command goes on.

    Example: pfn store migrate --to-database postgresql://pfn@db.internal/pfn --to-blobs s3://plugins/pfn
    """
    from pfn.app import move_node

    if to_database is None and to_blobs is None:
        raise PfnError(Code.CONFIG_INVALID, "Say where to: --to-database, --to-blobs or both.")
    settings = load_settings({"data": data}, os.environ).settings
    with show_steps(quiet=as_json) as report:
        moved = asyncio.run(move_node(settings, to_database, to_blobs, report))
    if as_json:
        show_json(
            {
                "rows": moved.rows,
                "zips": None if moved.blobs is None else moved.blobs.count,
                "lost": [] if moved.blobs is None else list(moved.blobs.lost),
                "log_size": moved.standing.log.size,
                "log_root": moved.standing.log.root.hex(),
                "state_digest": moved.standing.state_digest,
            }
        )
        return
    if moved.blobs is not None:
        say(f"{moved.blobs.count - len(moved.blobs.lost)} zips are there, {moved.blobs.copied} of them new.")
        if moved.blobs.lost:
            say(f"[red]{len(moved.blobs.lost)} zips were lost before;[/red] the node looks for them again: pfn scrub")
    if moved.rows is not None:
        say(f"{moved.rows} rows are there, the log of {moved.standing.log.size} entries holds, the state is the same.")
    say("To go on there, set in pfn.toml, or as PFN_DATABASE_URL and PFN_BLOBS_URL in the environment:")
    if to_database is not None:
        say(f"  {_tell_database(to_database)}")
    if to_blobs is not None:
        say(f"  {_tell_blobs(to_blobs)}")


def _tell_database(given: str) -> str:
    from sqlalchemy import make_url

    from pfn.app import read_database

    shown = make_url(read_database(given)).render_as_string(hide_password=True)
    return escape(f'database_url = "{shown}"')


def _tell_blobs(given: str) -> str:
    if given.startswith("s3://"):
        return escape(f'blobs_url = "{given}"')
    return escape(f"no blobs_url; {given} must be the folder blobs in the data folder")
