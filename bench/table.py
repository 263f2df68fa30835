"""The table: for people, which is Markdown as the docs have it, and for programs."""

from collections.abc import Mapping, Sequence

from bench.harness import Result

_HEAD = ("#", "what", "ours", "anchor", "ratio (spread)", "goal", "reached")


def write_table(results: Sequence[Result]) -> str:
    """Write Markdown that can be read as it is."""
    rows = [_HEAD, *(_cells(one) for one in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [f"* {one.row.number} {one.row.name}: {note}" for one in results for note in one.notes]
    return "\n".join([*lines, *([""] if notes else []), *notes])


def write_json(results: Sequence[Result], machine: Mapping[str, str]) -> dict[str, object]:
    """Give everything, every round too."""
    return {
        "machine": dict(machine),
        "rows": [
            {
                "number": one.row.number,
                "name": one.row.name,
                "what": one.row.what,
                "unit": one.row.unit,
                "ours": one.ours,
                "anchor": one.anchor,
                "ratio": one.ratio,
                "spread": one.spread,
                "goals": [str(goal) for goal in one.row.goals],
                "reached": one.reached(),
                "rounds": [[each.ours, each.anchor] for each in one.rounds],
                "notes": one.notes,
            }
            for one in results
        ],
    }


def _cells(result: Result) -> tuple[str, ...]:
    row, (least, most) = result.row, result.spread
    figure = "" if result.ratio is None else f"{_number(result.ratio)} "
    anchor = "" if result.anchor is None else f"{_number(result.anchor)} {row.unit} ({row.anchor})"
    return (
        str(row.number),
        row.what,
        f"{_number(result.ours)} {row.unit}",
        anchor or row.anchor,
        f"{figure}({_number(least)} to {_number(most)})",
        " and ".join(str(goal) for goal in row.goals),
        "yes" if result.reached() else "no",
    )


def _number(figure: float) -> str:
    if figure >= 1000:
        return f"{figure:,.0f}"
    return f"{figure:.1f}" if figure >= 100 else f"{figure:.3g}"
