"""What a row of the table is, and how it is measured: our figure and the anchor's in turns, in the same run.

A figure alone says more about the machine than about the code; the ratio to something well known that does the same
on the same core in the same minute says it of both. So each round gives two figures, and rounds go A B A B. Benchmarks
are no tests: nothing here fails because it was slow.
"""

import os
import shutil
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

LEAST_ROUNDS = 5


@dataclass(frozen=True, slots=True)
class Round:
    """One round: our figure and, where there is one, the anchor's, in the same unit; ``note`` for what else is told."""

    ours: float
    anchor: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Goal:
    """What is to be reached; of the ratio (ours by the anchor's), or of our figure where ``of`` says so."""

    bound: Literal[">=", "<=", "=="]
    value: float
    of: Literal["ratio", "ours"] = "ratio"

    def reached(self, figure: float) -> bool:
        """Tell whether a figure does."""
        if self.bound == ">=":
            return figure >= self.value
        return figure <= self.value if self.bound == "<=" else figure == self.value

    def __str__(self) -> str:
        return f"{ {'>=': '≥', '<=': '≤', '==': ''}[self.bound] } {self.value:g}".strip()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a run measures: a folder of its own, how many rounds, what runs on which core.

    ``quick`` asks for little data and short turns: to see that a row works, not what it gives.
    """

    folder: Path
    rounds: int = LEAST_ROUNDS
    quick: bool = False
    server_core: int = field(default_factory=lambda: min(os.sched_getaffinity(0)))
    load_core: int = field(default_factory=lambda: max(os.sched_getaffinity(0)))

    def pin(self, pid: int = 0, *, load: bool = False) -> None:
        """Put a process, by default this one, on the server's core, or on the one that makes the load."""
        os.sched_setaffinity(pid, {self.load_core if load else self.server_core})

    @contextmanager
    def pinned(self, *, load: bool = False) -> Iterator[None]:
        """Have this process, and what it starts, on one core until the block ends."""
        before = os.sched_getaffinity(0)
        self.pin(load=load)
        try:
            yield
        finally:
            os.sched_setaffinity(0, before)

    def make(self, name: str) -> Path:
        """Make an empty folder for a row, in place of what is there by that name."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        return path


Measure: TypeAlias = Callable[[Place], Iterable[Round]]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    ``number`` is as in the design ("5"), ``name`` what ONLY= takes, ``unit`` that of both figures (more is better,
    but for goals with "<="). ``needs`` are commands that must be there.
    """

    number: int
    name: str
    what: str
    anchor: str
    unit: str
    goals: Sequence[Goal]
    measure: Measure
    needs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """What a row gave."""

    row: Row
    rounds: Sequence[Round]

    @property
    def ours(self) -> float:
        """Our figure, the median."""
        return statistics.median(one.ours for one in self.rounds)

    @property
    def anchor(self) -> float | None:
        """The anchor's figure, the median; None where there is none."""
        figures = [one.anchor for one in self.rounds if one.anchor is not None]
        return statistics.median(figures) if figures else None

    @property
    def ratios(self) -> Sequence[float]:
        """Ours by the anchor's, of each round."""
        return [one.ours / one.anchor for one in self.rounds if one.anchor]

    @property
    def ratio(self) -> float | None:
        """The median of the ratios; None without an anchor."""
        return statistics.median(self.ratios) if self.ratios else None

    @property
    def spread(self) -> tuple[float, float]:
        """The least and the largest ratio, or figure where there is no anchor."""
        figures = self.ratios or [one.ours for one in self.rounds]
        return min(figures), max(figures)

    @property
    def notes(self) -> Sequence[str]:
        """What the rounds told, each thing once."""
        return list(dict.fromkeys(one.note for one in self.rounds if one.note))

    def reached(self) -> bool:
        """Tell whether every goal of the row is."""
        figures = {"ratio": self.ratio, "ours": self.ours}
        return all((figure := figures[goal.of]) is not None and goal.reached(figure) for goal in self.row.goals)


def alternate(place: Place, ours: Callable[[], float], anchor: Callable[[], float]) -> Iterator[Round]:
    """Measure in turns, after one turn of each that does not count."""
    ours()
    anchor()
    for _ in range(place.rounds):
        mine = ours()
        yield Round(mine, anchor())


def repeat(place: Place, ours: Callable[[], float]) -> Iterator[Round]:
    """Measure what has no anchor."""
    for _ in range(place.rounds):
        yield Round(ours())
