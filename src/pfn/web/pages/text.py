"""Text for pages: strangers' text made harmless to look at; times, sizes and numbers as people read them.

Escaping is the template engine's. What it leaves, characters that hide or reorder what is around them, becomes
visible here: ``neutralize`` sees every value a template prints.
"""

import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_LONG_AGO = 30 * _DAY
_KILO = 1000

# Controls but tab and newline, soft hyphen, marks and overrides of direction, invisible spaces and operators,
# annotations, lone surrogates, tags. Joiners stay: several scripts cannot be written without them.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
_CODE = re.compile(r"``(.+?)``|`(.+?)`")


def neutralize(value: object) -> object:
    """Write each hidden character of a string as its number, ``⟨U+202E⟩``; leave everything else as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value)


def iso(seconds: float) -> str:
    """Write a Unix time for machines."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(seconds: float) -> str:
    """Write a Unix time in full: ``4 May 2026, 14:03 UTC``."""
    when = datetime.fromtimestamp(seconds, UTC)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


def ago(seconds: float, now: float) -> str:
    """Write how long ago a Unix time was, or in how long it will be; the date where that is far."""
    distance = abs(now - seconds)
    if distance > _LONG_AGO:
        when = datetime.fromtimestamp(seconds, UTC)
        return f"{when.day} {when:%b %Y}"
    if distance < _MINUTE:
        return "just now" if seconds <= now else "in a moment"
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if distance >= unit:
            said = count(int(distance // unit), name)
            return f"{said} ago" if seconds < now else f"in {said}"
    raise AssertionError  # the shortest unit is shorter than the distance


def size(number: int) -> str:
    """Write a number of bytes."""
    if number < _KILO:
        return count(number, "byte")
    if number < _KILO**2:
        return f"{number / _KILO:.1f} kB"
    return f"{number / _KILO**2:.1f} MB"


def count(number: int, noun: str) -> str:
    """Write a number with its noun."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def prose(text: str) -> Markup:
    """Mark up the code spans of our own prose (docstrings): ``like`` `this`."""
    escaped = str(escape(neutralize(text)))
    return Markup(_CODE.sub(r"<code>\1\2</code>", escaped))  # noqa: S704  # escaped the line before
