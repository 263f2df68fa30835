"""The node itself: init, serve, config, doctor."""

import os
from pathlib import Path
from typing import Annotated

import typer

from pfn.cli.options import Json
from pfn.cli.output import FAILED, say, show_json, show_table
from pfn.settings import Settings, load_settings, mask

Data = Annotated[Path | None, typer.Option("--data", help="The node's folder.  [default: pfn-data]")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("serve")(serve)
    app.command("config")(config)
    app.command("doctor")(doctor)


def init(
    data: Data = None,
    renew_master_key: Annotated[
        bool, typer.Option("--renew-master-key", help="Make a new master key; the old one ends.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a node: its folder, its identity and its master key, shown once.

    Example: pfn init --data /srv/pfn
    """
    from pfn.app import prepare
    from pfn.cli.serve import show_new_master_key

    settings = load_settings({"data": data}, os.environ).settings
    prepared = prepare(settings, make_keys=True, renew_master_key=renew_master_key)
    key = prepared.identity.public_key
    if as_json:
        show_json(
            {
                "data": str(prepared.settings.data),
                "fingerprint": key.fingerprint,
                "public_key": key.pem,
                "master_key": prepared.new_master_key,
            }
        )
        return
    say(f"Node {key.fingerprint} is ready in {prepared.settings.data}.")
    if prepared.new_master_key is None:
        say("It has its master key already; for a new one: pfn init --renew-master-key")
    show_new_master_key(prepared)
    say(f"Next: pfn serve --data {prepared.settings.data}")


def serve(
    data: Data = None,
    host: Annotated[str | None, typer.Option(help="The address to listen on.  [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="The port; 0 takes any free one.  [default: 8080]")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where clients reach the node.")] = None,
    allow_loopback: Annotated[
        bool | None,
        typer.Option("--allow-loopback/--no-allow-loopback", help="For development: publishers on this machine."),
    ] = None,
    allow_unsigned: Annotated[
        bool | None,
        typer.Option("--allow-unsigned/--no-allow-unsigned", help="Mirror plugins that carry no signature."),
    ] = None,
    work: Annotated[
        bool | None, typer.Option("--work/--no-work", help="Do the due work too, or leave it to pfn work.")
    ] = None,
) -> None:
    """Serve a node until Ctrl-C. The first start makes it and shows its master key once.

    Every setting can come from PFN_NAME in the environment or from pfn.toml in the data folder too; see: pfn config

    Example: pfn serve --data /srv/pfn --port 8080 --public-url https://plugins.example.com
    """
    from pfn.cli.serve import serve_node

    flags = {
        "data": data,
        "host": host,
        "port": port,
        "public_url": public_url,
        "allow_loopback": allow_loopback,
        "allow_unsigned": allow_unsigned,
        "work": work,
    }
    serve_node(load_settings(flags, os.environ))


def config(data: Data = None, as_json: Json = False) -> None:
    """Print every setting that holds, where it came from and what it means. Secrets are masked.

    Example: PFN_PORT=9000 pfn config
    """
    loaded = load_settings({"data": data}, os.environ)
    if as_json:
        show_json(
            {name: {"value": mask(loaded.settings, name), "from": origin} for name, origin in loaded.origins.items()}
        )
        return
    show_table(
        ("setting", "value", "from", "meaning"),
        (
            (name, mask(loaded.settings, name), origin, Settings.model_fields[name].description)
            for name, origin in loaded.origins.items()
        ),
        empty="",
    )


def doctor(data: Data = None, as_json: Json = False) -> None:
    """Examine a node's folder, rows, zips and settings. Exit code 1 where something is wrong.

    Example: pfn doctor --data /srv/pfn
    """
    import asyncio

    from pfn.app import examine

    findings = asyncio.run(examine(load_settings({"data": data}, os.environ).settings))
    if as_json:
        show_json([finding.to_json() for finding in findings])
    else:
        signs = {"ok": "[green]ok[/green]", "warning": "[yellow]warning[/yellow]", "wrong": "[red]wrong[/red]"}
        for finding in findings:
            say(f"{signs[finding.severity]}  [bold]{finding.name}[/bold]  {finding.sentence}")
    if any(finding.severity == "wrong" for finding in findings):
        raise typer.Exit(FAILED)
