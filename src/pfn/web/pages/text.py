"""Text for pages: strangers' text made harmless to look at; times, sizes and numbers as people read them.

Escaping is the template engine's. What it leaves, characters that hide or reorder what is around them, becomes
visible here: ``neutralize`` sees every value a template prints, within sentences too.
"""

import re
from datetime import UTC, datetime

from babel.dates import format_datetime
from markupsafe import Markup, escape

from pfn.web.pages.language import (
    NN_,
    current_locale,
    gettext,
    ngettext,
    number,
    show_values,
    translate,
    translate_number,
)

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

_NOUNS = {
    "byte": NN_("%(num)s byte", "%(num)s bytes"),
    "listed plugin": NN_("%(num)s listed plugin", "%(num)s listed plugins"),
    "plugin": NN_("%(num)s plugin", "%(num)s plugins"),
    "release": NN_("%(num)s release", "%(num)s releases"),
    "source": NN_("%(num)s source", "%(num)s sources"),
    "subscriber": NN_("%(num)s subscriber", "%(num)s subscribers"),
    "subscription": NN_("%(num)s subscription", "%(num)s subscriptions"),
    "version": NN_("%(num)s version", "%(num)s versions"),
}
_AGO = {
    "day": NN_("%(num)s day ago", "%(num)s days ago"),
    "hour": NN_("%(num)s hour ago", "%(num)s hours ago"),
    "minute": NN_("%(num)s minute ago", "%(num)s minutes ago"),
}
_AHEAD = {
    "day": NN_("in %(num)s day", "in %(num)s days"),
    "hour": NN_("in %(num)s hour", "in %(num)s hours"),
    "minute": NN_("in %(num)s minute", "in %(num)s minutes"),
}


def neutralize(value: object) -> object:
    """Write each hidden character of a string as its number, ``⟨U+202E⟩``; leave everything else as it is."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", value)


def breakable(name: str) -> Markup:
    """Let a long name, such as a source's, go on in the next line where it is read as parts."""
    return Markup(re.sub(r"([@.])", r"\1<wbr>", str(Markup.escape(neutralize(name)))))  # noqa: S704  # it is escaped


def say(text: str, **values: object) -> Markup:
    """Say a text of the catalogue, which may hold tags, in a page; the values in it are made harmless."""
    return Markup(translate(text)) % _harmless(values)  # noqa: S704  # our own text; values are escaped


def say_number(one: str, many: str, num: int, **values: object) -> Markup:
    """Say a text that depends on a number in a page."""
    return Markup(translate_number(one, many, num)) % _harmless({"num": num, **values})  # noqa: S704


def _harmless(values: dict[str, object]) -> dict[str, object]:
    return {name: neutralize(value) for name, value in show_values(values).items()}


def iso(seconds: float) -> str:
    """Write a Unix time for machines."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(seconds: float) -> str:
    """Write a Unix time in full: ``4 May 2026, 14:03 UTC``."""
    # A pattern for dates, as in Unicode's CLDR: the day, the month's name, the year, hours and minutes.
    return _write(seconds, gettext("d MMMM y, HH:mm 'UTC'"))


def day(seconds: float) -> str:
    """Write the day of a Unix time: ``4 May 2026``, in UTC."""
    return _write(seconds, gettext("d MMM y"))


def _write(seconds: float, pattern: str) -> str:
    return format_datetime(datetime.fromtimestamp(seconds, UTC), pattern, locale=current_locale())


def ago(seconds: float, now: float) -> str:
    """Write how long ago a Unix time was, or in how long it will be; the date where that is far."""
    distance = abs(now - seconds)
    if distance > _LONG_AGO:
        return day(seconds)
    if distance < _MINUTE:
        return gettext("just now") if seconds <= now else gettext("in a moment")
    for unit, name in ((_DAY, "day"), (_HOUR, "hour"), (_MINUTE, "minute")):
        if distance >= unit:
            one, many = (_AGO if seconds < now else _AHEAD)[name]
            return ngettext(one, many, int(distance // unit))
    raise AssertionError  # the shortest unit is shorter than the distance


def size(octets: int) -> str:
    """Write a number of bytes."""
    if octets < _KILO:
        return count(octets, "byte")
    for power, unit in ((2, "kB"), (3, "MB")):
        if octets < _KILO**power:
            return f"{number(octets / _KILO ** (power - 1), 1)} {unit}"
    return f"{number(octets / _KILO**3, 1)} GB"


def count(num: int, noun: str) -> str:
    """Write a number with its noun, one of those known here, as it stands alone."""
    return ngettext(*_NOUNS[noun], num)


def prose(text: str) -> Markup:
    """Mark up the code spans of our own prose (docstrings): ``like`` `this`."""
    escaped = str(escape(neutralize(text)))
    return Markup(_CODE.sub(r"<code>\1\2</code>", escaped))  # noqa: S704  # escaped the line before
