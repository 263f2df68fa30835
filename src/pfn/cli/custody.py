"""``pfn source evidence``, ``lift-gate``, ``reset-custody``: when a source contradicts itself or changes hands."""

from typing import Annotated

import typer

from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json, SourceId, read_key
from pfn.cli.output import say, show_json, when
from pfn.client.node import NodeClient

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def register(source: typer.Typer) -> None:
    """Add the commands to ``pfn source``."""
    node_command(source, "evidence")(show_evidence)
    node_command(source, "lift-gate")(lift_gate)
    node_command(source, "reset-custody")(reset_custody)


async def show_evidence(client: NodeClient, source_id: SourceId, as_json: Json = False) -> None:
    """Show what a source said that cannot all be honest: both sides, as they came.

    Example: pfn source evidence alice@plugins.example.com
    """
    items = await client.get("/federation/evidence", sourceId=source_id)
    if as_json:
        show_json(items)
        return
    if not items:
        say("There is no evidence against this source.")
    for item in items:
        say(f"[bold]{when(item['found_at'])}  {item['kind']}[/bold]")
        typer.echo(f"{item['details']}\n\nfirst:\n{item['first']}\nsecond:\n{item['second']}")


async def lift_gate(client: NodeClient, source_id: SourceId, yes: Yes = False, as_json: Json = False) -> None:
    """Take the gate off a source that contradicted itself, once you have looked and decided.

    Example: pfn source lift-gate alice@plugins.example.com
    """
    if not yes:
        typer.confirm(f"Have you read the evidence, and shall {source_id} be mirrored again?", abort=True)
    await post_and_say(client, "/federation/lift-gate", {"sourceId": source_id}, as_json=as_json)


async def reset_custody(
    client: NodeClient,
    source_id: SourceId,
    public_key: Annotated[str, typer.Option("--public-key", "-k", help="The new key: a PEM file, or its text.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Give a source another key, after its publisher lost all of them or sold it.

    It must prove the new key, and nothing new of it is served for seven days. What was mirrored stays.

    Example: pfn source reset-custody alice@plugins.example.com --public-key alice-new.pem
    """
    if not yes:
        typer.confirm(f"Shall another key speak for {source_id} from now on?", abort=True)
    body: dict[str, object] = {"sourceId": source_id, "public_key": read_key(public_key)}
    await post_and_say(client, "/federation/reset-custody", body, as_json=as_json)
