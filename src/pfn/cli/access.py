"""``pfn key``: create, list, revoke."""

from enum import StrEnum
from typing import Annotated

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json
from pfn.cli.output import say, show_json, show_table, when
from pfn.client.node import NodeClient

key = typer.Typer(help="API keys: make them, list them, end them. Needs the master key, or the data folder.")


class Kind(StrEnum):
    """What a key is for."""

    ADMIN = "admin"
    SUBSCRIBER = "subscriber"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(key, name="key", no_args_is_help=True)


@node_command(key, "create")
async def create(
    client: NodeClient,
    description: Annotated[str, typer.Argument(help="What it is for.")],
    kind: Annotated[Kind, typer.Option(help="An admin runs the node; a subscriber subscribes and reads.")] = Kind.ADMIN,
    scope: Annotated[list[str] | None, typer.Option(help="Fewer than the kind's usual scopes.")] = None,
    expires_in_days: Annotated[int, typer.Option(min=1, max=365, help="Its life.")] = 90,
    owner: Annotated[str | None, typer.Option(help="Whose subscriptions it makes.")] = None,
    as_json: Json = False,
) -> None:
    """Make an API key. It is shown this once.

    Example: pfn key create "the agency's console" --expires-in-days 30
    """
    body: dict[str, object] = {
        "description": description,
        "scopes": scope,
        "expires_in_days": expires_in_days,
        "owner": owner,
    }
    answer = await client.post(f"/federation/create-{kind.value}-key", body)
    if as_json:
        show_json(answer)
        return
    say(f"[bold]{answer['key']}[/bold]")
    say(f"Shown this once. It expires {when(answer['expires_at'])}; scopes: {', '.join(answer['scopes'])}.")


@node_command(key, "list")
async def list_keys(client: NodeClient, as_json: Json = False) -> None:
    """List the keys that were made, without their secrets.

    Example: pfn key list
    """
    rows = await client.get("/federation/keys")
    if as_json:
        show_json(rows)
        return
    show_table(
        ("id", "kind", "owner", "state", "expires", "last used", "description"),
        (
            (
                row["id"],
                row["kind"],
                row["owner"],
                row["state"],
                when(row["expires_at"]),
                when(row["last_used_at"]),
                row["description"],
            )
            for row in rows
        ),
        empty='No keys beside the master key. Make one: pfn key create "what it is for"',
    )


@node_command(key, "revoke")
async def revoke(
    client: NodeClient,
    key_id: Annotated[str, typer.Argument(metavar="ID", help="As in: pfn key list")],
    as_json: Json = False,
) -> None:
    """End a key at once and for good.

    Example: pfn key revoke 4fJ0aP2kQz91
    """
    answer = await client.post("/federation/revoke-key", {"id": key_id})
    if as_json:
        show_json(answer)
    else:
        say(f"Key {answer['key']['id']} ({answer['key']['description']}) is revoked.")
