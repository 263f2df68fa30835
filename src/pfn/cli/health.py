"""``pfn health``."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from pfn.cli.command import node_command
from pfn.cli.options import Json
from pfn.cli.output import say, show_facts, show_json, show_table, when
from pfn.client.node import NodeClient

_DAY = 86_400


def register(app: typer.Typer) -> None:
    """Add the command."""
    node_command(app, "health")(health)


async def health(
    client: NodeClient,
    source: Annotated[str | None, typer.Argument(metavar="[SOURCE]", help="One source, with its days.")] = None,
    days: Annotated[int, typer.Option(min=1, max=40, help="How many days of a source are shown.")] = 7,
    as_json: Json = False,
) -> None:
    """Show how the sources fare: whether they answer, how fast, and since when.

    Example: pfn health alice@plugins.example.com --days 30
    """
    if source is None:
        found = await client.get("/federation/health")
        if as_json:
            show_json(found)
        else:
            _show_all(found["sources"])
        return
    report = await client.get("/federation/health", sourceId=source, days=days)
    if as_json:
        show_json(report)
    else:
        _show_one(report)


def _show_all(rows: list[dict[str, Any]]) -> None:
    show_table(
        ("source", "state", "uptime 24 h", "7 days", "30 days", "response", "last error", "next check"),
        (
            (
                row["source_id"],
                row["state"] or "not probed yet",
                *(_percent(row[name]) for name in ("uptime_24h", "uptime_7d", "uptime_30d")),
                _milliseconds(row["response_time_ms"]),
                _error(row["last_error"]),
                when(row["next_check"]),
            )
            for row in rows
        ),
        empty="No sources yet. Add one: pfn source add URL --username NAME",
    )


def _show_one(report: dict[str, Any]) -> None:
    show_facts(
        (
            ("source", report["source_id"]),
            ("state", f"{report['state']} since {when(report['since'])}" if report["state"] else "not probed yet"),
            ("last answer", when(report["last_seen"])),
            ("uptime 24 h", _percent(report["uptime_24h"])),
            ("uptime 7 days", _percent(report["uptime_7d"])),
            ("uptime 30 days", _percent(report["uptime_30d"])),
            ("last response", _milliseconds(report["response_time_ms"])),
            ("average", _milliseconds(report["response_time_avg"])),
            ("95 % within", _milliseconds(report["response_time_p95"])),
            ("last error", _error(report["last_error"])),
            ("next check", when(report["next_check"])),
        )
    )
    say("\n[bold]By day[/bold]")
    found: dict[int, list[dict[str, Any]]] = {}
    for hour in report["hours"]:
        found.setdefault(hour["at"] // _DAY, []).append(hour)
    show_table(
        ("day (UTC)", "probes", "failed", "slowest"),
        (
            (
                datetime.fromtimestamp(day * _DAY, UTC).strftime("%Y-%m-%d"),
                sum(hour["probes"] for hour in hours),
                sum(hour["failed"] for hour in hours),
                _milliseconds(
                    max((hour["response_time_max"] for hour in hours if hour["probes"] > hour["failed"]), default=None)
                ),
            )
            for day, hours in sorted(found.items(), reverse=True)
        ),
        empty="No probes yet.",
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _milliseconds(time: int | None) -> str:
    return "-" if time is None else f"{time} ms"


def _error(error: dict[str, Any] | None) -> str:
    return "-" if error is None else f"{when(error['at'])}  {error['sentence']} ({error['code']})"
