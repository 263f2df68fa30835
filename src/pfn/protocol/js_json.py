r"""JavaScript's ``JSON.stringify(JSON.parse(text))``, byte for byte.

Answers for: the exact messages that v1 publishers, which are JavaScript programs, put their signatures on
(protocol.md section 2). One byte off and an honest signature fails.

Deliberately not: a canonical form for our own documents; those are signed as the bytes they are.

Where JavaScript differs from Python's ``json``: keys that look like array indices come first, ascending; each
number is a double, written by ECMAScript's Number::toString; half a surrogate pair is written ``\udxxx``; the
rest of Unicode, U+2028 too, stands as it is. ``__proto__`` is a key like any other.
"""

import json.encoder
import math
import re
from collections.abc import Callable

from pfn.protocol.strict_json import JsonValue

# ECMAScript's array indices: canonical decimals from 0 to 2^32 - 2.
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")
_LARGEST_INDEX = 2**32 - 2
_SAFE_INTEGER = 2**53
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")
_PAIR = 2
# Number::toString writes exponents from 1e21 and below 1e-6; Python's repr from 1e16 and below 1e-4.
_MOST_INTEGER_DIGITS = 21
_MOST_LEADING_ZEROS = 6


def stringify(value: JsonValue) -> str:
    """Write what ``parse_json`` read as ``JSON.stringify`` writes what ``JSON.parse`` read.

    Numbers beyond the range of a double are Infinity to JavaScript, and so become ``null``.
    """
    parts: list[str] = []
    _write(value, parts.append)
    return "".join(parts)


def metadata_message(slug: str, name: str, version: str, description: str | None) -> bytes:
    """The bytes under a v1 metadata signature; ``description`` is None where the publisher gave none."""
    metadata: dict[str, JsonValue] = {"id": slug, "name": name, "version": version}
    if description is not None:
        metadata["description"] = description
    return stringify(metadata).encode()


def plugin_data_message(data: JsonValue) -> bytes:
    """The bytes under the signature of ``/federated/plugin-data``, given the member ``data`` beside it."""
    return stringify(data).encode()


def _write(value: JsonValue, write: Callable[[str], None]) -> None:
    match value:
        case None:
            write("null")
        case bool():
            write("true" if value else "false")
        case str():
            write(_format_string(value))
        case int() | float():
            write(_format_number(value))
        case list():
            separator = "["
            for item in value:
                write(separator)
                _write(item, write)
                separator = ","
            write("]" if value else "[]")
        case dict():
            separator = "{"
            for key in _order_keys(value):
                write(separator)
                write(_format_string(key))
                write(":")
                _write(value[key], write)
                separator = ","
            write("}" if value else "{}")


def _order_keys(members: dict[str, JsonValue]) -> list[str]:
    indices = [key for key in members if _INDEX.fullmatch(key) and int(key) <= _LARGEST_INDEX]
    if not indices:
        return list(members)
    first = set(indices)
    return sorted(indices, key=int) + [key for key in members if key not in first]


def _format_string(text: str) -> str:
    quoted = json.encoder.encode_basestring(text)
    # isascii is a flag on the string, so the search is paid for only where it can find something.
    return quoted if quoted.isascii() else _SURROGATES.sub(_format_surrogates, quoted)


def _format_surrogates(found: re.Match[str]) -> str:
    units = found.group()
    if len(units) == _PAIR:
        return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    return f"\\u{ord(units):04x}"


def _format_number(number: float) -> str:
    if isinstance(number, int) and abs(number) <= _SAFE_INTEGER:
        return str(number)
    try:
        number = float(number)
    except OverflowError:
        return "null"
    if not math.isfinite(number):
        return "null"
    if number == 0:
        return "0"
    # Both languages write the shortest digits that read back as the same double; only the layout differs.
    written = repr(number).removesuffix(".0")
    mantissa, marked, exponent_text = written.partition("e")
    if not marked:
        return written
    exponent = int(exponent_text)
    sign = "-" if number < 0 else ""
    digits = mantissa.lstrip("-").replace(".", "")
    if 0 < exponent < _MOST_INTEGER_DIGITS:
        return sign + digits.ljust(exponent + 1, "0")
    if -_MOST_LEADING_ZEROS <= exponent < 0:
        return sign + "0." + "0" * (-exponent - 1) + digits
    return f"{mantissa}e{exponent:+d}"
