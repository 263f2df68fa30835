"""docs/console.md names a page for every command that changes a node, and no command that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command

from pfn.cli.main import app

DOCS = Path(__file__).resolve().parents[2] / "docs" / "console.md"
# They show, look over, or fetch.
READING = {
    *("config", "doctor", "status", "subscriptions", "plugins", "usage", "download", "verify", "proof", "health"),
    *("schedule", "activity", "site-helper", "inspect", "source list", "source show", "log show", "log policy"),
    *("log check", "quarantine list", "slug list", "slug show", "webhook list", "webhook show", "webhook deliveries"),
    *("peer list", "peer show", "peer proposals", "key list"),
}
# They are done to the machine, before there are pages.
STARTING = {"init", "serve", "work", "backup", "restore", "store migrate"}


def commands(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_verb_has_a_page() -> None:
    there = {name for name in commands(get_command(app)) if not name.startswith("publisher ")}
    table = {line.split("|")[1] for line in DOCS.read_text().splitlines() if line.startswith("| `pfn ")}
    named = {re.sub(r" --.*", "", found) for row in table for found in re.findall(r"`pfn ([^`]+)`", row)}
    assert named <= there
    assert there - named == READING | STARTING | {"source evidence"} - named
