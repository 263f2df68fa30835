"""``pfn log``: the node's transparency log, shown, looked over, mended."""

import asyncio
import os
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pfn.cli.command import node_command
from pfn.cli.node import Data
from pfn.cli.options import Json
from pfn.cli.output import FAILED, err, fail, say, show_facts, show_json, show_table, when
from pfn.client.node import NodeClient
from pfn.protocol.errors import PfnError
from pfn.settings import load_settings

log = typer.Typer(help="The node's transparency log: what it signed, who witnessed it, whether all of it holds.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(log, name="log", no_args_is_help=True)


@node_command(log, "show")
async def show(client: NodeClient, as_json: Json = False) -> None:
    """Show the log: its name, size, key and newest signed tree, who witnesses it, and whether it is halted.

    Example: pfn log show --node https://node.example.org
    """
    found = await client.get("/federation/log")
    if as_json:
        show_json(found)
        return
    show_facts(
        (
            ("origin", found["origin"]),
            ("size", found["size"]),
            ("root", found["root"]),
            ("signed", when(found["signed_at"])),
            ("verifier key", found["verifier_key"]),
            ("quorum", _tell_quorum(found["quorum"])),
        )
    )
    show_table(
        ("witness", "operator", "cosigned", "of", "when"),
        (
            (one["name"], one["operator"], one["cosigned_size"], found["size"], when(one["cosigned_at"]))
            for one in found["witnesses"]
        ),
        empty="No peer witnesses this log; see: pfn peer add",
    )
    if found["halted"] is not None:
        say(f"[red]The log is halted: nothing new is taken in.[/red] {found['halted']}")


@node_command(log, "policy")
async def policy(client: NodeClient) -> None:
    """Print the policy by which the node would have its log judged, for: pfn verify --bundle --policy

    It is what the node itself says. Ask the witnesses' operators for their keys before you rely on it.

    Example: pfn log policy --node https://node.example.org > policy.txt
    """
    found = await client.get("/federation/log")
    if found["policy"] is None:
        raise fail(
            f"The node wants {found['quorum']} operators behind its log and has fewer among its peers.",
            "config_invalid",
        )
    typer.echo(found["policy"], nl=False)


@log.command("check")
def check(data: Data = None, as_json: Json = False) -> None:
    """Look over the whole log in a data folder: every entry, tile, signed tree, and each mirrored release's entry.

    The node may go on meanwhile. Exit code 1 where anything is wrong.

    Example: pfn log check --data /srv/pfn
    """
    from pfn.app import look_over_log

    settings = load_settings({"data": data}, os.environ).settings
    bar = Progress(
        TextColumn("entries"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=as_json or not err.is_terminal,
    )
    try:
        with bar:
            task = bar.add_task("entries", total=None)
            found = asyncio.run(
                look_over_log(settings, lambda done, size: bar.update(task, completed=done, total=size))
            )
    except PfnError as error:
        if as_json:
            show_json({"holds": False, "code": error.code.slug, "detail": error.detail})
            raise typer.Exit(FAILED) from error
        raise
    if as_json:
        show_json({"holds": True, "size": found.size, "heads": found.heads, "releases": found.releases})
        return
    say(
        f"[green]All of it holds:[/green] {found.size} entries, {found.heads} signed trees, "
        f"and {found.releases} mirrored releases, each with its entry."
    )


@node_command(log, "resume")
async def resume(client: NodeClient, as_json: Json = False) -> None:
    """Take new entries again after the log was halted. Refused while it lacks anything it signed.

    Example: pfn log resume
    """
    await _mend(client, "resume", as_json=as_json)


@node_command(log, "recover")
async def recover(client: NodeClient, as_json: Json = False) -> None:
    """Bring back, from peers, the entries that a log lost which was set back to an older state; then resume it.

    Example: pfn log recover
    """
    await _mend(client, "recover", as_json=as_json)


async def _mend(client: NodeClient, how: str, *, as_json: bool) -> None:
    answer: dict[str, Any] = await client.post(f"/federation/log/{how}", {})
    if as_json:
        show_json(answer)
    else:
        say(answer["message"])


def _tell_quorum(quorum: int) -> str:
    if quorum == 0:
        return "none asked for"
    return f"{quorum} operator{'' if quorum == 1 else 's'} of witnesses"
