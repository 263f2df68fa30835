"""``pfn proof``: everything that vouches for a release, in one file."""

from pathlib import Path
from typing import Annotated

import typer

from pfn.cli.command import node_command
from pfn.cli.options import SourceId
from pfn.cli.output import USAGE, fail, say
from pfn.client.node import NodeClient
from pfn.protocol.log.bundle import parse_bundle
from pfn.protocol.log.checkpoint import parse_checkpoint


def register(app: typer.Typer) -> None:
    """Add the command."""

    @node_command(app, "proof")
    async def proof(
        client: NodeClient,
        source: SourceId,
        plugin: Annotated[str, typer.Argument(metavar="PLUGIN", help="The plugin's slug.")],
        version: Annotated[
            str | None, typer.Argument(metavar="[VERSION]", help="Else the newest.", show_default=False)
        ] = None,
        output: Annotated[
            Path | None, typer.Option("--output", "-o", help="Where to write it; else to standard output.")
        ] = None,
    ) -> None:
        """Fetch the proof of a release: one file that is verified offline with pfn verify --bundle.

        Example: pfn proof alice@plugins.example.com plain-reading-time 1.0.0 -o proof.json
        """
        answer = await client.fetch("/federation/proof", source=source, plugin=plugin, version=version)
        if output is None:
            typer.echo(answer.text, nl=False)
            return
        try:
            output.write_bytes(answer.content)
        except OSError as error:
            raise fail(f"{output} cannot be written: {error.strerror}.", "unwritable", USAGE) from None
        bundle = parse_bundle(answer.content)
        assert bundle.release_entry is not None  # a node proves nothing without it
        checkpoint = parse_checkpoint(bundle.release_entry.proof.note.text)
        index = bundle.release_entry.proof.index
        say(f"{output}: entry {index} of the {checkpoint.size} that {checkpoint.origin} signed.")
