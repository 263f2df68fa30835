"""``pfn source``: add, list, show, verify, update, suspend, resume, allow-unsigned, quota, remove."""

from typing import Annotated, Any

import typer

from pfn.cli import custody
from pfn.cli.command import node_command, post_and_say
from pfn.cli.options import Json, SourceId, read_key
from pfn.cli.output import FAILED, printable, say, show_facts, show_json, show_table, when
from pfn.cli.progress import await_verification
from pfn.client.node import NodeClient

source = typer.Typer(help="Publishers this node knows: register them, prove them, keep them in order.")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(source, name="source", no_args_is_help=True)
    custody.register(source)


@node_command(source, "add")
async def add(
    client: NodeClient,
    url: Annotated[str, typer.Argument(help="The publisher's instance URL.")],
    username: Annotated[str, typer.Option("--username", "-u", help="The author's name there.")],
    public_key: Annotated[
        str | None,
        typer.Option(
            "--public-key",
            "-k",
            help="Its key: a PEM file, or the key's text. Left out, the key it shows is asked for.",
        ),
    ] = None,
    allow_unsigned: Annotated[
        bool | None, typer.Option("--allow-unsigned/--no-allow-unsigned", help="Mirror its unsigned plugins.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Trust the key the publisher shows without asking.")] = False,
    as_json: Json = False,
) -> None:
    """Register a publisher and prove that it holds its key.

    Example: pfn source add https://plugins.example.com --username alice --public-key alice.pem
    """
    key = read_key(public_key) if public_key is not None else await _ask_for_key(client, url, yes=yes)
    answer = await client.post(
        "/federation/add-source",
        {"instance_url": url, "username": username, "public_key": key, "allow_unsigned": allow_unsigned},
    )
    status = await await_verification(client, answer["source_id"], quiet=as_json)
    if as_json:
        show_json({**answer, "verification": status["verifications"][0], "source": status["source"]})
    else:
        say(f"Registered {answer['source_id']}.")
        _show_verification(status["verifications"][0])
    if status["verifications"][0]["result"] != "success":
        raise typer.Exit(FAILED)


@node_command(source, "list")
async def list_sources(client: NodeClient, as_json: Json = False) -> None:
    """List the sources, highest trust first.

    Example: pfn source list
    """
    rows = await client.get("/federation/sources")
    if as_json:
        show_json(rows)
        return
    show_table(
        ("source", "status", "trust", "plugins", "subscribers", "last sync", "reason"),
        (
            (
                row["id"],
                row["status"],
                f"{row['trust_score']:.2f}",
                row["plugin_count"],
                row["subscriber_count"],
                when(row["last_sync"]),
                row["status_detail"],
            )
            for row in rows
        ),
        empty="No sources yet. Add one: pfn source add URL --username NAME",
    )


@node_command(source, "show")
async def show(client: NodeClient, source_id: SourceId, as_json: Json = False) -> None:
    """Show a source: status, trust with every term, verifications, syncs, failures.

    Example: pfn source show alice@plugins.example.com
    """
    status = await client.get("/federation/source-status", sourceId=source_id)
    if as_json:
        show_json(status)
        return
    row = status["source"]
    show_facts(
        (
            ("source", row["id"]),
            ("instance", row["instance_url"]),
            ("status", row["status"] + (f": {row['status_detail']}" if row["status_detail"] else "")),
            ("zips at", row["asset_domain"] and f"{row['asset_domain']} {row['asset_naming_scheme']}"),
            ("plugins", row["plugin_count"]),
            ("subscribers", row["subscriber_count"]),
            ("health", _say_health(status["health"])),
            ("last sync", when(row["last_sync"])),
            ("next retry", when(status["next_retry"])),
            ("protocol", "v2, signed documents" if row["generation"] == 2 else "v1, metadata signatures"),
            ("signing oracle", "yes: it signs any text it is sent" if row["signing_oracle"] else "no"),
            ("takes nothing new until", when(row["cool_down_until"])),
            ("fills", _say_quota(status["quota"])),
            ("unsigned", {True: "accepted", False: "held back", None: "as the node's setting"}[row["allow_unsigned"]]),
        )
    )
    _show_trust(status["trust"])
    say("\n[bold]Verifications[/bold]")
    show_table(
        ("when", "type", "result", "details"),
        (
            (when(one["verified_at"]), one["verification_type"], one["result"], one["details"])
            for one in status["verifications"]
        ),
        empty="None yet.",
    )
    say("\n[bold]Not taken[/bold]")
    show_table(
        ("plugin", "version", "code", "next retry", "details"),
        (
            (one["plugin_id"] or "(the source)", one["version"], one["code"], when(one["next_retry"]), one["details"])
            for one in status["failures"]
        ),
        empty="Nothing.",
    )


@node_command(source, "verify")
async def verify(client: NodeClient, source_id: SourceId, as_json: Json = False) -> None:
    """Make a source prove its key now. Exit code 1 where it fails.

    Example: pfn source verify alice@plugins.example.com
    """
    answer = await client.post("/federation/verify-source", {"sourceId": source_id})
    if as_json:
        show_json(answer)
    else:
        _show_verification(answer["verification"])
    if not answer["success"]:
        raise typer.Exit(FAILED)


@node_command(source, "update")
async def update(client: NodeClient, source_id: SourceId, as_json: Json = False) -> None:
    """Fetch what a source announces again.

    Example: pfn source update alice@plugins.example.com
    """
    await post_and_say(client, "/federation/update-source", {"sourceId": source_id}, as_json=as_json)


@node_command(source, "suspend")
async def suspend(
    client: NodeClient,
    source_id: SourceId,
    reason: Annotated[str, typer.Option(help="Why; shown to whoever asks.")] = "suspended by the operator",
    as_json: Json = False,
) -> None:
    """Stop offering and mirroring a source. Nothing is deleted; undo with: pfn source resume

    Example: pfn source suspend alice@plugins.example.com --reason "key under review"
    """
    await post_and_say(client, "/federation/suspend-source", {"sourceId": source_id, "reason": reason}, as_json=as_json)


@node_command(source, "resume")
async def resume(client: NodeClient, source_id: SourceId, as_json: Json = False) -> None:
    """Offer a suspended source again and verify it anew.

    Example: pfn source resume alice@plugins.example.com
    """
    await post_and_say(client, "/federation/resume-source", {"sourceId": source_id}, as_json=as_json)


@node_command(source, "allow-unsigned")
async def allow_unsigned(
    client: NodeClient,
    source_id: SourceId,
    policy: Annotated[str, typer.Argument(metavar="yes|no|default", help="Or as the node's setting says.")] = "yes",
    as_json: Json = False,
) -> None:
    """Say whether a source's unsigned plugins are mirrored.

    Example: pfn source allow-unsigned alice@plugins.example.com no
    """
    choices = {"yes": True, "no": False, "default": None}
    if policy not in choices:
        raise typer.BadParameter("must be yes, no or default")
    body = {"sourceId": source_id, "allow_unsigned": choices[policy]}
    answer = await client.post("/federation/source-policy", body)
    if as_json:
        show_json(answer)
    else:
        said = {True: "are accepted", False: "are held back", None: "follow the node's setting"}[choices[policy]]
        say(f"Unsigned plugins of {source_id} {said}. Next: pfn sync {source_id}")


@node_command(source, "quota")
async def quota(
    client: NodeClient,
    source_id: SourceId,
    plugins: Annotated[int | None, typer.Option(min=0, help="Plugins it may fill; 0 for no limit.")] = None,
    size: Annotated[int | None, typer.Option("--bytes", min=0, help="Bytes it may fill; 0 for no limit.")] = None,
    as_json: Json = False,
) -> None:
    """Say how much of the node a source may fill; what is left out follows the node's settings.

    Example: pfn source quota alice@plugins.example.com --plugins 50000 --bytes 0
    """
    body: dict[str, object] = {"sourceId": source_id, "plugins": plugins, "bytes": size}
    await post_and_say(client, "/federation/source-quota", body, as_json=as_json)


@node_command(source, "remove")
async def remove(
    client: NodeClient,
    source_id: SourceId,
    purge: Annotated[bool, typer.Option("--purge", help="Delete its releases for good.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: Json = False,
) -> None:
    """Remove a source: its plugins are offered no more, its subscriptions end.

    Its releases stay on record and come back when it is added again with the same key, unless purged.

    Example: pfn source remove alice@plugins.example.com
    """
    if not yes:
        what = "and delete its releases for good" if purge else "; its plugins are offered no more, subscriptions end"
        typer.confirm(f"Remove {source_id} {what}?", abort=True)
    await post_and_say(client, "/federation/remove-source", {"sourceId": source_id, "purge": purge}, as_json=as_json)


async def _ask_for_key(client: NodeClient, url: str, *, yes: bool) -> str:
    shown = await client.post("/federation/probe-source", {"instance_url": url})
    if not shown["public_key"]:
        raise typer.BadParameter("The publisher shows no key; give it with --public-key.")
    typer.echo(f"{url} shows the key {shown['fingerprint']}", err=True)
    typer.echo("Compare it with what the publisher told you in another way.", err=True)
    if not yes:
        typer.confirm("Register this key?", abort=True, err=True)
    key: str = shown["public_key"]
    return key


def _show_verification(verification: dict[str, Any]) -> None:
    for check in verification["checks"]:
        sign = "[green]ok[/green]  " if check["passed"] else "[red]fail[/red]"
        say(f"  {sign} {check['name']}: {_safe(check['detail'])}")
    held = verification["result"] == "success"
    say(f"{'[green]Verified.[/green]' if held else '[red]Not verified.[/red]'} {_safe(verification['details'])}")


def _say_health(health: dict[str, Any]) -> str:
    if health["state"] is None:
        return "not probed yet"
    answered = f"{100 * health['uptime_30d']:.1f} % answered in 30 days" if health["uptime_30d"] is not None else ""
    return ", ".join(part for part in (f"{health['state']} since {when(health['since'])}", answered) if part)


def _say_quota(quota: dict[str, Any]) -> str:
    parts = [(quota[unit]["used"], quota[unit]["limit"], unit) for unit in ("plugins", "bytes")]
    return ", ".join(f"{used} of {limit} {unit}" if limit else f"{used} {unit}" for used, limit, unit in parts)


def _show_trust(trust: dict[str, Any]) -> None:
    say(f"\n[bold]Trust {trust['score']:.2f}[/bold]  (formula {trust['formula']}, before gates {trust['earned']:.2f})")
    show_table(
        ("term", "value", "weight", "good", "bad", "unsure", "evidence"),
        (
            (
                one["name"],
                f"{one['value']:.2f}",
                f"{one['weight']:.2f}",
                f"{one['good']:.1f}",
                f"{one['bad']:.1f}",
                f"{one['uncertainty']:.2f}",
                one["sentence"],
            )
            for one in trust["terms"]
        ),
        empty="",
    )
    say("Good and bad are the evidence, faded with age; unsure is 1 where nothing is known and falls to 0.")
    for gate in trust["gates"]:
        say(f"[yellow]capped at {gate['cap']:.2f}[/yellow]  {_safe(gate['sentence'])} ({gate['name']})")


def _safe(text: str) -> str:
    from rich.markup import escape

    return escape(printable(text))
