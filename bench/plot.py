"""A small plot as SVG: lines over a logarithmic axis, readable on light and on dark ground, without a script."""

import math
from collections.abc import Mapping, Sequence
from typing import Final
from xml.sax.saxutils import escape

_WIDTH, _HEIGHT = 720, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 168, 44, 48
_COLOURS: Final = ("#2f6fde", "#c2410c", "#15803d", "#9333ea", "#b45309", "#0e7490")
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#222}.title{font-weight:600;font-size:15px}"
    ".axis{stroke:#888;stroke-width:1}.grid{stroke:#8884;stroke-width:1}"
    "@media(prefers-color-scheme:dark){text{fill:#eee}}"
)


def plot(title: str, x_label: str, y_label: str, lines: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """Draw lines of (x, y), x on a logarithmic axis and y from 0; each line ends in its name."""
    xs = sorted({x for points in lines.values() for x, _ in points})
    top = _round_up(max(y for points in lines.values() for _, y in points))
    low, high = math.log10(xs[0]), math.log10(xs[-1])

    def at(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - low) / (high - low or 1)
        return (
            round(_LEFT + across * (_WIDTH - _LEFT - _RIGHT), 1),
            round(_HEIGHT - _BOTTOM - y / top * (_HEIGHT - _TOP - _BOTTOM), 1),
        )

    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    box = f"0 0 {_WIDTH} {_HEIGHT}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" role="img" aria-label="{escape(title)}">',
        f"<style>{_STYLE}</style>",
        f'<text class="title" x="{_LEFT}" y="22">{escape(title)}</text>',
        f'<text x="{_LEFT}" y="{_TOP - 6}">{escape(y_label)}</text>',
        f'<text x="{right}" y="{_HEIGHT - 10}" text-anchor="end">{escape(x_label)}</text>',
        f'<path class="axis" fill="none" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>',
    ]
    for part in range(1, 5):
        value = top * part / 4
        y = at(xs[0], value)[1]
        parts.append(f'<path class="grid" d="M{_LEFT} {y}H{right}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{value:g}</text>')
    for x in xs:
        across = at(x, 0)[0]
        parts.append(f'<path class="axis" d="M{across} {bottom}v5"/>')
        parts.append(f'<text x="{across}" y="{bottom + 19}" text-anchor="middle">{x:,.0f}</text>')
    labels = _spread({name: at(*points[-1])[1] for name, points in lines.items()})
    for (name, points), colour in zip(lines.items(), _COLOURS, strict=False):
        places = [at(*point) for point in points]
        way = "L".join(f"{x} {y}" for x, y in places)
        parts.append(f'<path fill="none" stroke="{colour}" stroke-width="2" d="M{way}"/>')
        parts += [f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>' for x, y in places]
        parts.append(f'<text x="{right + 10}" y="{labels[name] + 4:.1f}" style="fill:{colour}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _round_up(value: float) -> float:
    """Give the next number that is easily read in quarters."""
    scale: float = 10 ** math.floor(math.log10(value)) if value > 0 else 1.0
    return next((step * scale for step in (1, 2, 4, 6, 8) if value <= step * scale), 10 * scale)


def _spread(places: Mapping[str, float]) -> dict[str, float]:
    """Keep the names of lines that end near each other apart, and above the axis."""
    names = sorted(places, key=lambda one: places[one])
    spread: dict[str, float] = {}
    above, below = -math.inf, _HEIGHT - _BOTTOM + 12.0
    for name in names:
        spread[name] = above = max(places[name], above + 16)
    for name in reversed(names):
        spread[name] = below = min(spread[name], below - 16)
    return spread
