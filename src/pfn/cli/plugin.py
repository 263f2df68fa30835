"""``pfn plugins``, ``usage``, ``download``."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json, SourceId
from pfn.cli.output import say, show_facts, show_json, show_table, when
from pfn.client.node import NodeClient, NodeError

Slug = Annotated[str, typer.Argument(metavar="PLUGIN", help="The plugin's slug.")]
Version = Annotated[str | None, typer.Option("--version", "-v", help="Left out, the newest.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    node_command(app, "plugins")(list_plugins)
    node_command(app, "usage")(show_usage)
    node_command(app, "download")(download)


async def list_plugins(
    client: NodeClient,
    words: Annotated[list[str] | None, typer.Argument(metavar="[WORD]...", help="Words that must all occur.")] = None,
    tag: Annotated[str | None, typer.Option(help="With this tag.")] = None,
    author: Annotated[str | None, typer.Option(help="By this author.")] = None,
    source: Annotated[str | None, typer.Option(help="Of this source.")] = None,
    sort: Annotated[str, typer.Option(help="updated, name or trust.")] = "updated",
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    as_json: Json = False,
) -> None:
    """List mirrored plugins.

    Example: pfn plugins cookie --sort name
    """
    answer = await client.get(
        "/federation/plugins",
        q=" ".join(words or ()) or None,
        tag=tag,
        author=author,
        source=source,
        sort=sort,
        limit=limit,
    )
    if as_json:
        show_json(answer)
        return
    show_table(
        ("plugin", "version", "versions", "signature", "source", "trust", "updated", "name"),
        (
            (
                row["plugin_id"],
                row["version"],
                len(row["versions"]),
                row["signature_level"],
                row["source_id"],
                f"{row['trust_score']:.2f}",
                when(row["updated_at"]),
                row["name"],
            )
            for row in answer["plugins"]
        ),
        empty="No plugins. Subscribe to a source: pfn subscribe SOURCE",
    )
    if answer["next"]:
        say("[dim]There are more; narrow the search or raise --limit.[/dim]")


async def show_usage(
    client: NodeClient,
    source_id: SourceId,
    plugin: Slug,
    days: Annotated[int, typer.Option(min=1, max=400, help="How far back the days go.")] = 30,
    as_json: Json = False,
) -> None:
    """Show how often a plugin was downloaded here, and on about how many sites it runs.

    Example: pfn usage alice@plugins.example.com plain-reading-time
    """
    answer = await client.get("/federation/usage", source=source_id, plugin=plugin, days=days)
    if as_json:
        show_json(answer)
        return
    installs = f"{answer['installs']}+" if answer["installs"] else "fewer than 10"
    show_facts((("downloads", answer["downloads"]), ("sites", installs)))
    show_table(
        ("day", "version", "downloads", "sites"),
        (
            (
                datetime.fromtimestamp(one["at"], UTC).date(),
                one["version"] or "(others)",
                one["downloads"],
                one["installs"],
            )
            for one in answer["days"]
        ),
        empty=f"Nothing was counted in the last {days} days.",
    )


async def download(
    client: NodeClient,
    source_id: SourceId,
    plugin: Slug,
    version: Version = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file or folder.  [default: the current folder]")
    ] = None,
    as_json: Json = False,
) -> None:
    """Download a plugin's zip; its bytes are compared with the digest the node verified.

    Example: pfn download alice@plugins.example.com plain-reading-time -o reading.zip
    """
    verdict = await client.get("/federation/verify", source=source_id, plugin=plugin, version=version)
    answer = await client.fetch("/federation/download", source=source_id, plugin=plugin, version=verdict["version"])
    digest = hashlib.sha256(answer.content).hexdigest()
    if not verdict["valid"] or digest != verdict["digests"]["sha256"]:
        raise NodeError("blob_corrupt", "The bytes that came are not the ones the node verified; nothing was written.")
    target = output or Path()
    if target.is_dir():
        target = target / f"{plugin}.{verdict['version']}.zip"
    partial = target.with_name(f".{target.name}.part")
    partial.write_bytes(answer.content)
    partial.rename(target)
    facts = {"file": str(target), "version": verdict["version"], "size": len(answer.content), "sha256": digest}
    if as_json:
        show_json(facts)
    else:
        say(f"{target}: {plugin} {verdict['version']}, {len(answer.content)} bytes, SHA-256 {digest}")
        say(f"[dim]{verdict['explanation']}[/dim]")
