"""``pfn slug``: list, show, pin, refuse."""

from typing import Annotated, Any

import typer

from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json, SourceId
from pfn.cli.output import say, show_facts, show_json, show_table, when
from pfn.client.node import NodeClient

slug = typer.Typer(help="Who speaks for a slug, where two sources have a plugin of one name.")

Slug = Annotated[str, typer.Argument(metavar="SLUG", help="The name of the plugin's folder.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(slug, name="slug", no_args_is_help=True)


@node_command(slug, "list")
async def list_slugs(
    client: NodeClient,
    contested: Annotated[bool, typer.Option("--contested", help="Only those that wait for your word.")] = False,
    source: Annotated[str | None, typer.Option(help="Those that this source holds or contests.")] = None,
    as_json: Json = False,
) -> None:
    """List the slugs that are pinned or contested, or those of a source.

    Example: pfn slug list --contested
    """
    rows = await client.get("/federation/slugs", contested=contested, source=source)
    if as_json:
        show_json(rows)
        return
    show_table(
        ("slug", "speaks for it", "since", "decided by", "contested by"),
        (
            (
                row["slug"],
                row["source_id"],
                when(row["since"]),
                row["decided_by"],
                ", ".join(_say_contest(one) for one in row["contests"]),
            )
            for row in rows
        ),
        empty="No slug is contested." if contested else "No slug is pinned or contested.",
    )


@node_command(slug, "show")
async def show(client: NodeClient, name: Slug, as_json: Json = False) -> None:
    """Show who speaks for a slug, who else has it, and what each of them offers.

    Example: pfn slug show calm-gallery
    """
    row = await client.get(f"/federation/slugs/{name}")
    if as_json:
        show_json(row)
        return
    show_facts(
        (
            ("slug", row["slug"]),
            ("speaks for it", row["source_id"]),
            ("since", when(row["since"])),
            ("decided by", row["decided_by"]),
            ("contested by", ", ".join(_say_contest(one) for one in row["contests"]) or "nobody"),
        )
    )
    say("")
    show_table(
        ("source", "kind", "version", "signature", "trust", "updated", "name"),
        (
            (
                one["source_id"],
                one["kind"],
                one["version"],
                one["signature_level"],
                f"{one['trust_score']:.2f}",
                when(one["updated_at"]),
                one["name"],
            )
            for one in row["offered"]
        ),
        empty="None of them offers anything at present.",
    )


@node_command(slug, "pin")
async def pin(
    client: NodeClient,
    name: Slug,
    source_id: SourceId,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Let a source speak for a slug from now on. Undo it by pinning the one that spoke before.

    Example: pfn slug pin calm-gallery alice@plugins.example.com
    """
    if not yes:
        holder = (await client.get(f"/federation/slugs/{name}"))["source_id"]
        what = (
            f"Sites that run {name} from {holder} will be offered {source_id}'s, and {holder}'s no more."
            if holder != source_id
            else f"{source_id} speaks for {name} already; it will be by your word."
        )
        typer.echo(what, err=True)
        typer.confirm(f"Let {source_id} speak for {name}?", abort=True, err=True)
    await post_and_say(client, "/federation/slugs/pin", {"slug": name, "sourceId": source_id}, as_json=as_json)


@node_command(slug, "refuse")
async def refuse(client: NodeClient, name: Slug, source_id: SourceId, as_json: Json = False) -> None:
    """Say that a source shall not speak for a slug it contests; it waits for your word no more.

    Example: pfn slug refuse calm-gallery mallory@evil.example.com
    """
    await post_and_say(client, "/federation/slugs/refuse", {"slug": name, "sourceId": source_id}, as_json=as_json)


def _say_contest(contest: dict[str, Any]) -> str:
    refused = " (refused)" if contest["state"] == "refused" else ""
    return f"{contest['source_id']}{refused}"
