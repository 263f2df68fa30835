"""A small drawing for each source and plugin, made from its name or key, so that rows are told apart at a glance.

Three arcs around a centre, as in the node's own mark. It is an ornament: nothing may be decided by it.
"""

import hashlib
from dataclasses import dataclass

HUES = 6
CENTRES = 5
_GAP = 9
_SHORTEST = 12


@dataclass(frozen=True, slots=True)
class Glyph:
    """What to draw: a hue and a centre by number, a turn in degrees, and the dashes of a ring 100 long."""

    hue: int
    centre: int
    turn: int
    dashes: str


def draw_glyph(seed: str) -> Glyph:
    """Make the drawing that belongs to ``seed``."""
    digest = hashlib.sha256(seed.encode(errors="replace")).digest()
    spare = 100 - 3 * (_GAP + _SHORTEST)
    first = digest[0] * spare // 255
    second = digest[1] * (spare - first) // 255
    lengths = (_SHORTEST + first, _SHORTEST + second, _SHORTEST + spare - first - second)
    return Glyph(
        hue=digest[2] % HUES,
        centre=digest[3] % CENTRES,
        turn=digest[4] * 360 // 256,
        dashes=" ".join(f"{length} {_GAP}" for length in lengths),
    )
