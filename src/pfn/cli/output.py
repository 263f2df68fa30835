"""What the terminal shows: tables for people, JSON for programs, one sentence for an error.

Exit codes: 0 done; 1 refused or failed, and the sentence says why; 2 wrong usage or settings; 3 no node there.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pfn.client.node import NodeError
from pfn.protocol.errors import Code, PfnError

FAILED, USAGE, UNREACHABLE = 1, 2, 3

# Into a pipe, lines may be long: what reads them has no edge to wrap at.
PIPE_WIDTH = 200
out = Console(highlight=False, width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_WIDTH)
err = Console(stderr=True, highlight=False)


def show_json(value: object) -> None:
    """Print a value for programs."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print a table, or the sentence ``empty``. Cells are text from strangers: markup in them is inert."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        # An id that is cut short is no id.
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else printable(str(cell))) for cell in row))
    if table.row_count:
        out.print(table)
    else:
        out.print(empty)


def show_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Print names and values, one a line."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(f"[bold]{escape(name)}[/bold]", escape(printable("-" if value is None else str(value))))
    out.print(table)


def say(sentence: str) -> None:
    """Print a line in which markup is ours."""
    out.print(sentence, soft_wrap=True)


def printable(text: str) -> str:
    """Make text from strangers safe for a terminal: no control characters, no reordering."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def when(seconds: object) -> str:
    """Write a Unix time as people read it, in the local zone; nothing for None."""
    if not isinstance(seconds, int | float):
        return "-"
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def fail(detail: str, code: str, exit_code: int = FAILED) -> typer.Exit:
    """Print an error and give the exit to raise."""
    err.print(f"[bold red]error:[/bold red] {escape(printable(detail))} [dim]({code})[/dim]", soft_wrap=True)
    return typer.Exit(exit_code)


def run(app: typer.Typer) -> None:
    """Run the command line; errors of the closed list become one sentence and an exit code."""
    try:
        app()
    except NodeError as error:
        unreachable = error.code in {"node_unreachable", "not_a_node"}
        sys.exit(fail(error.detail, error.code, UNREACHABLE if unreachable else FAILED).exit_code)
    except PfnError as error:
        usage = error.code in {Code.CONFIG_INVALID, Code.DATA_MISSING, Code.SCHEMA_NEWER}
        sys.exit(fail(error.detail, error.code.slug, USAGE if usage else FAILED).exit_code)
    except BrokenPipeError:
        sys.exit(0)
