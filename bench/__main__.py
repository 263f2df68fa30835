"""Measure and print the table: ``python -m bench [ROW…]``; a row by its number or the beginning of its name."""

import argparse
import importlib
import json
import pkgutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr
from pathlib import Path

import bench.rows
from bench.harness import LEAST_ROUNDS, Place, Result, Row
from bench.machine import describe_machine, how_to_install, install, missing
from bench.table import write_json, write_table
from pfn.cli.log import configure_logging


def main() -> int:
    """Run what was asked for; return 1 where a command is missing, goals reached or not."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("only", nargs="*", help="numbers of rows, or beginnings of their names; all by default")
    parser.add_argument("--json", action="store_true", help="print every round, for programs")
    parser.add_argument("--quick", action="store_true", help="little data, short turns: only to see that it works")
    parser.add_argument("--rounds", type=int, default=LEAST_ROUNDS, help="turns of each (default: %(default)s)")
    parser.add_argument("--list", action="store_true", help="name the rows and end")
    chosen = parser.parse_args()
    rows = [row for row in find_rows() if not chosen.only or any(matches(row, one) for one in chosen.only)]
    if chosen.list or not rows:
        for row in find_rows():
            print(f"{row.number:>3}  {row.name:<24} {row.what}")
        return 0 if chosen.list else 2
    lacking = install(missing(name for row in rows for name in row.needs))
    if lacking:
        print(f"Missing: {', '.join(lacking)}. Install with: {how_to_install(lacking)}\n", file=sys.stderr)
    configure_logging("json", "info")
    rounds = 2 if chosen.quick else chosen.rounds
    with tempfile.TemporaryDirectory(prefix="pfn-bench-") as folder:
        place = Place(Path(folder), rounds=rounds, quick=chosen.quick)
        results = list(measure([row for row in rows if not set(row.needs) & set(lacking)], place))
    machine = describe_machine()
    if chosen.json:
        print(json.dumps(write_json(results, machine), indent=1))
    else:
        print(", ".join(f"{name} {value}" for name, value in machine.items()), end="\n\n")
        print(write_table(results))
    return int(bool(lacking))


def measure(rows: Sequence[Row], place: Place) -> Iterator[Result]:
    """Measure one row after the other, and say so while it lasts."""
    for row in rows:
        print(f"{row.number} {row.name} … ", end="", file=sys.stderr, flush=True)
        # Where a node runs in this process, what it logs goes to a file, as that of the others does.
        with (place.folder / "bench.log").open("a") as log, redirect_stderr(log):
            result = Result(row, list(row.measure(place)))
        print(f"{result.ours:.4g} {row.unit}, ratio {result.ratio}", file=sys.stderr, flush=True)
        yield result


def find_rows() -> list[Row]:
    """Give every row, by number."""
    found: list[Row] = []
    for module in pkgutil.iter_modules(bench.rows.__path__):
        found += importlib.import_module(f"bench.rows.{module.name}").ROWS
    return sorted(found, key=lambda row: row.number)


def matches(row: Row, wanted: str) -> bool:
    """Tell whether a row is asked for."""
    return wanted == str(row.number) or row.name.startswith(wanted)


if __name__ == "__main__":
    sys.exit(main())
