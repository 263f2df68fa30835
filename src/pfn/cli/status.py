"""``pfn status``: how a running node stands, on one screen."""

from collections.abc import Mapping
from typing import Any

import typer
from rich.filesize import decimal

from pfn.cli.command import node_command
from pfn.cli.options import Json
from pfn.cli.output import FAILED, say, show_facts, show_json
from pfn.client.node import NodeClient, NodeError

_SIGNS = {"ok": "[green]ok[/green]", "degraded": "[yellow]degraded[/yellow]", "failed": "[red]failed[/red]"}
_WORDS = {"ready": "ready", "degraded": "degraded: it serves, but takes in nothing new", "not_ready": "not ready"}


def register(app: typer.Typer) -> None:
    """Add the command."""
    node_command(app, "status")(show_status)


async def show_status(client: NodeClient, as_json: Json = False) -> None:
    """Show how the node stands: whether it is ready, its sources, its work, what fails. Exit code 1 if not ready.

    Example: pfn status --node https://plugins.example.com --key KEY
    """
    readiness = await _ask_ready(client)
    serves = readiness["state"] != "not_ready"
    # Without its rows a node has nothing to count.
    status = await client.get("/federation/status") if serves else None
    if as_json:
        show_json({"readiness": readiness, "status": status})
    else:
        say(f"The node is [bold]{_WORDS[readiness['state']]}[/bold].")
        for check in readiness["checks"]:
            say(f"{_SIGNS[check['state']]}  [bold]{check['name']}[/bold]  {check['sentence']}")
        if status is not None:
            say("")
            _show(status)
    if not serves:
        raise typer.Exit(FAILED)


async def _ask_ready(client: NodeClient) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = await client.get("/readyz")
    except NodeError as error:
        if error.code != "not_ready":
            raise
        return {"state": "not_ready", "checks": error.problem.get("checks", [])}
    return answer


def _show(status: Mapping[str, Any]) -> None:
    sources, work, syncs = status["sources"], status["work"], status["syncs"]
    waits = f", the oldest for {work['oldest_due_s']} s" if work["due"] else ""
    left = f", {work['abandoned']} left by a dead worker" if work["abandoned"] else ""
    damaged = f", {status['corrupt_blobs']} damaged" if status["corrupt_blobs"] else ""
    show_facts(
        [
            ("sources", _list(sources["total"], sources["by_status"])),
            ("health", _list(None, sources["by_health"])),
            ("plugins", f"{status['plugins']} in {status['releases']} releases"),
            ("zips", f"{status['blobs']}, {decimal(status['bytes'])}{damaged}; {decimal(status['free_bytes'])} free"),
            ("work", f"{work['running']} under way, {work['due']} due{waits}{left}"),
            ("syncs", f"{syncs['running']} under way; newest of each source: {_list(None, syncs['last'])}"),
            ("failures", _list(status["failures"]["total"], status["failures"]["by_code"])),
            ("peers", _list(None, status["peers"])),
            ("log", _tell_log(status["log"])),
            ("webhooks", _list(None, status["webhooks"])),
            ("deliveries", _list(None, status["deliveries"])),
            *(("warning", warning) for warning in status["warnings"]),
        ]
    )


def _tell_log(log: Mapping[str, Any]) -> str:
    halted = "" if log["halted"] is None else f"; [red]halted[/red]: {log['halted']}"
    return f"{log['size']} entries; witnesses of {log['witnessing_operators']} operators signed it lately{halted}"


def _list(total: int | None, counts: Mapping[str, int]) -> str:
    parts = ", ".join(f"{count} {name}" for name, count in sorted(counts.items(), key=lambda one: -one[1]))
    if total is None:
        return parts or "none"
    return f"{total}: {parts}" if parts else str(total)
