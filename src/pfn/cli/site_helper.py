"""``pfn site-helper``: the file that points a WordPress site at a node."""

from pathlib import Path
from typing import Annotated

import typer

from pfn.cli.command import node_command
from pfn.cli.output import USAGE, fail, say
from pfn.client.node import NodeClient


def register(app: typer.Typer) -> None:
    """Add the command."""

    @node_command(app, "site-helper")
    async def site_helper(
        client: NodeClient,
        plugins: Annotated[
            list[str] | None,
            typer.Argument(metavar="[PLUGIN]...", help="Slugs of the plugins that come from the node."),
        ] = None,
        everything: Annotated[bool, typer.Option("--all", help="All plugins the node has now.")] = False,
        fallback: Annotated[
            list[str] | None, typer.Option(help="Another node, asked when this one is away; again for more.")
        ] = None,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="Where to write it; else to standard output.")
        ] = None,
    ) -> None:
        """Make the file for wp-content/mu-plugins that has a WordPress site install and update plugins from the node.

        It names the plugins and pins their authors' keys; what is not signed with them is refused.

        Example: pfn site-helper plain-reading-time -o wp-content/mu-plugins/pfn-site.php
        """
        if everything == bool(plugins):
            raise fail("Name the plugins, or say --all.", "invalid_field", USAGE)
        chosen = "*" if everything else ",".join(plugins or ())
        answer = await client.fetch("/wordpress/pfn-site.php", plugins=chosen, fallback=fallback)
        if output is None:
            typer.echo(answer.text, nl=False)
            return
        try:
            output.write_bytes(answer.content)
        except OSError as error:
            raise fail(f"{output} cannot be written: {error.strerror}.", "unwritable", USAGE) from None
        say(f"{output}: put it into the site's wp-content/mu-plugins.")
