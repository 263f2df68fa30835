"""``pfn``: the one command. Every noun brings its own commands; this module hangs them together."""

from typing import Annotated

import typer

from pfn import __version__
from pfn.cli import (
    access,
    activity,
    backup,
    care,
    health,
    node,
    peer,
    plugin,
    proof,
    proposal,
    publisher,
    quarantine,
    schedule,
    site_helper,
    slug,
    source,
    status,
    store,
    subscription,
    tlog,
    verify,
    webhook,
    work,
)
from pfn.cli.inspect import inspect
from pfn.cli.output import run

app = typer.Typer(
    name="pfn",
    help="Plugin Federation Network: run a node, publish plugins, verify downloads.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"pfn {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Plugin Federation Network: run a node, publish plugins, verify downloads."""


for register in (
    node,
    work,
    status,
    source,
    subscription,
    plugin,
    verify,
    proof,
    tlog,
    quarantine,
    care,
    slug,
    health,
    schedule,
    activity,
    webhook,
    peer,
    proposal,
    site_helper,
    access,
    backup,
    store,
):
    register.register(app)
app.add_typer(publisher.app, name="publisher")
app.command("inspect")(inspect)


def main() -> None:
    """Run the command line."""
    run(app)
