"""Charts: what a template draws as SVG, and the same numbers as a table for those who would rather read.

Answers for geometry and words. A chart is stretched to whatever width it gets, so there is no text within: labels stand
around it. No mark means anything by its colour alone: what was lost is hatched and stands on top, what is missing is a
line on the ground or a gap, a second line is dashed. Three kinds: a strip of shares by day, bars, and lines.

Does not style, and takes no numbers from anywhere: whoever draws brings them, by day, oldest first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import floor, log10
from typing import Literal

from pfn.web.pages import text
from pfn.web.pages.language import gettext, number

STEP = 10
"""How wide a day is."""
HEIGHT = 100
_BAR = 8
_GROUND = 2
_LEAST_LOST = 6

Values = Sequence[float | None]
Write = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """Numbers by day, under a name; ``write`` says one as people read it. None is a day that has none."""

    name: str
    values: Values
    write: Write = number


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle of a ``kind``, which says what it means; ``title`` says it in words."""

    kind: Literal["value", "answered", "lost", "none"]
    x: int
    y: float
    height: float
    title: str
    width: int = _BAR


@dataclass(frozen=True, slots=True)
class Line:
    """A line with gaps, as SVG paths: the line itself, the area below it, and points that stand alone or last."""

    kind: Literal["first", "second"]
    path: str
    area: str
    dots: str


@dataclass(frozen=True, slots=True)
class Key:
    """What a kind of mark means."""

    kind: str
    name: str


@dataclass(frozen=True, slots=True)
class Chart:
    """All that is drawn and said; ``name`` is its own on the page, ``scale`` its labels from the top down.

    ``span`` names the first and the last day. ``rows`` have a cell for each of ``columns``, the newest day first.
    """

    name: str
    title: str
    summary: str
    width: int
    scale: tuple[str, ...]
    span: tuple[str, str]
    bars: tuple[Bar, ...]
    lines: tuple[Line, ...]
    keys: tuple[Key, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def draw_strip(name: str, title: str, days: Sequence[int], shares: Series, *, more: Sequence[Series] = ()) -> Chart:
    """Draw shares from 0 to 1 by day: how much was answered, and on top of it what was lost; ``more`` is in the table.

    ``days`` are the starts of days in Unix seconds, as everywhere here.
    """
    unknown = gettext("nobody asked")
    bars: list[Bar] = []
    for index, (day, share) in enumerate(zip(map(text.day, days), shares.values, strict=True)):
        x = index * STEP
        if share is None:
            bars.append(Bar("none", x, HEIGHT - _GROUND, _GROUND, f"{day}: {unknown}"))
            continue
        # One lost probe of many must be seen.
        lost = 0.0 if share >= 1 else max(HEIGHT * (1 - share), _LEAST_LOST)
        said = f"{day}: {shares.write(share)}"
        if lost < HEIGHT:
            bars.append(Bar("answered", x, lost, HEIGHT - lost, said))
        if lost:
            bars.append(Bar("lost", x, 0, lost, said))
    keys = [Key("answered", gettext("answered"))]
    keys += [
        Key(kind, word)
        for kind, word in (("lost", gettext("not answered")), ("none", unknown))
        if any(bar.kind == kind for bar in bars)
    ]
    return _finish(name, title, days, [shares, *more], [shares.write(1), shares.write(0)], bars=bars, keys=keys)


def draw_bars(name: str, title: str, days: Sequence[int], series: Series) -> Chart:
    """Draw a number by day as bars."""
    high = _round_up(max(_known(series.values), default=0))
    bars = []
    for index, (day, value) in enumerate(zip(map(text.day, days), series.values, strict=True)):
        said = f"{day}: {'–' if value is None else series.write(value)}"
        if value:
            height = max(HEIGHT * value / high, _GROUND)
            bars.append(Bar("value", index * STEP, HEIGHT - height, height, said))
        else:
            bars.append(Bar("none", index * STEP, HEIGHT - _GROUND, _GROUND, said))
    return _finish(name, title, days, [series], _scale(high, series.write), bars=bars)


def draw_lines(
    name: str,
    title: str,
    days: Sequence[int],
    series: Sequence[Series],
    *,
    top: float | None = None,
) -> Chart:
    """Draw one number by day, or two, from 0 on to ``top``, or without one to a number above all that reads well."""
    high = top or _round_up(max((value for one in series for value in _known(one.values)), default=0))
    kinds: tuple[Literal["first", "second"], ...] = ("first", "second")
    lines = [_draw_line(kind, one.values, high) for kind, one in zip(kinds, series, strict=False)]
    keys = [Key(kind, one.name) for kind, one in zip(kinds, series, strict=False)] if len(series) > 1 else []
    return _finish(name, title, days, series, _scale(high, series[0].write), lines=lines, keys=keys)


def _draw_line(kind: Literal["first", "second"], values: Values, high: float) -> Line:
    points = [
        None if value is None else (index * STEP + STEP // 2, round(HEIGHT * (1 - value / high), 1))
        for index, value in enumerate(values)
    ]
    runs = [[one for one in run if one] for there, run in groupby(points, key=lambda point: point is not None) if there]
    path = " ".join("M" + " L".join(f"{x} {y:g}" for x, y in run) for run in runs)
    area = " ".join(
        f"M{run[0][0]} {HEIGHT} L" + " L".join(f"{x} {y:g}" for x, y in run) + f" L{run[-1][0]} {HEIGHT}Z"
        for run in runs
    )
    # A line of no length with round ends: it stays round however the chart is stretched.
    ends = dict.fromkeys([run[0] for run in runs if len(run) == 1] + [run[-1] for run in runs[-1:]])
    return Line(kind, path, area, " ".join(f"M{x} {y:g}h0" for x, y in ends))


def _finish(
    name: str,
    title: str,
    days: Sequence[int],
    series: Sequence[Series],
    scale: Sequence[str],
    *,
    bars: Sequence[Bar] = (),
    lines: Sequence[Line] = (),
    keys: Sequence[Key] = (),
) -> Chart:
    names = [text.day(day) for day in days]
    rows = [
        (day, *("–" if value is None else one.write(value) for one, value in zip(series, values, strict=True)))
        for day, *values in zip(names, *(one.values for one in series), strict=True)
        if any(value is not None for value in values)
    ]
    return Chart(
        name=name,
        title=title,
        summary=_summarize(names, series[0]),
        width=STEP * len(days),
        scale=tuple(scale),
        span=(names[0], names[-1]),
        bars=tuple(bars),
        lines=tuple(lines),
        keys=tuple(keys),
        columns=(gettext("Day (UTC)"), *(one.name for one in series)),
        rows=tuple(reversed(rows)),
    )


def _summarize(names: Sequence[str], series: Series) -> str:
    known = _known(series.values)
    if not known:
        return gettext("From %(first)s to %(last)s: nothing yet.", first=names[0], last=names[-1])
    return gettext(
        "From %(first)s to %(last)s: lowest %(low)s, highest %(high)s, last %(now)s.",
        first=names[0],
        last=names[-1],
        low=series.write(min(known)),
        high=series.write(max(known)),
        now=series.write(known[-1]),
    )


def _known(values: Values) -> list[float]:
    return [value for value in values if value is not None]


def _scale(high: float, write: Write) -> list[str]:
    return [write(high), write(high / 2), write(0)]


def _round_up(value: float) -> float:
    """Give a number not below ``value`` that reads well, as its half does."""
    if value <= 0:
        return 2.0
    power = 10.0 ** floor(log10(value))
    return float(next(lead * power for lead in (2, 4, 6, 8, 10, 20) if lead * power >= value))
