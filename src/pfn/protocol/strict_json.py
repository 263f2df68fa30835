"""The one reader of JSON that comes from outside.

Answers for: one text, one meaning. Ordinary parsers keep the last of two equal keys, read ``NaN``, turn
``1e999`` into infinity and fall over deep nesting, so two programs can take one signed text for two different
documents. Here all of that is refused, with a sentence that says what and where.

Does not answer for: the shape of a document (pydantic does, after this) or for writing JSON back
(``js_json`` and RFC 8785 do).

Kept as sent: the order of keys, and whether a number was written as an integer or not.
"""

import json
import re
from itertools import accumulate
from typing import TypeAlias

from pfn.protocol.errors import Code, PfnError

JsonValue: TypeAlias = "bool | int | float | str | list[JsonValue] | dict[str, JsonValue] | None"

DEFAULT_MAX_BYTES = 1024 * 1024
DEFAULT_MAX_DEPTH = 64
# Characters of an integer that is certain to fit a double: JavaScript may read a longer one as Infinity.
MAX_INTEGER_LENGTH = 308

_BOM = b"\xef\xbb\xbf"
# The closing quote is optional, so that an unterminated string is swallowed once and never searched again.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
_NOT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_BRACKET_STEPS = bytes.maketrans(b"[{]}", b"\x02\x02\x00\x00")
# Everything up to the first escaped surrogate that is not half of a pair; then that escape.
_LONE_SURROGATE = re.compile(
    r"(?:[^\\]++|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?!u[dD][89a-fA-F]).)*+\\u",
    re.DOTALL,
)
_SHOWN_LENGTH = 40


class _RefusedError(ValueError):
    """A hook of the parser met something JSON allows and we do not."""


def parse_json(
    data: bytes,
    *,
    max_bytes: int = DEFAULT_MAX_BYTES,
    max_depth: int = DEFAULT_MAX_DEPTH,
    allow_surrogates: bool = False,
    code: Code = Code.MALFORMED_JSON,
) -> JsonValue:
    """Read one JSON value from ``data``, or refuse it.

    ``max_depth`` counts the arrays and objects inside one another. ``allow_surrogates`` lets the escape of a
    lone surrogate through; only for v1 documents, whose signatures may cover one (protocol.md section 2).
    Raises PfnError with ``code``: the caller knows whether a request or a publisher's answer is at fault.
    """
    try:
        return _parse(data, max_bytes, max_depth, allow_surrogates)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise PfnError(code, f"The JSON is broken at {where}: {error.msg}.") from error
    except _RefusedError as refused:
        raise PfnError(code, str(refused)) from refused


def _parse(data: bytes, max_bytes: int, max_depth: int, allow_surrogates: bool) -> JsonValue:
    if len(data) > max_bytes:
        raise _RefusedError(f"The JSON is {len(data)} bytes long; at most {max_bytes} are read.")
    if data.startswith(_BOM):
        raise _RefusedError("The JSON starts with a byte order mark; send plain UTF-8 without one.")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _RefusedError(f"The JSON is not UTF-8: the byte at offset {error.start} does not fit.") from error
    if _is_deeper_than(max_depth, data):
        raise _RefusedError(f"The JSON is nested deeper than {max_depth} levels.")
    value: JsonValue = json.loads(
        text,
        object_pairs_hook=_read_object,
        parse_int=_read_integer,
        parse_float=_read_float,
        parse_constant=_refuse_constant,
    )
    # After parsing it is certain that every backslash stands in a string and starts a well-formed escape.
    if not allow_surrogates and (lone := _LONE_SURROGATE.match(text)):
        offset = lone.end() - 2
        shown = text[offset : offset + 6]
        raise _RefusedError(f"The JSON has half a character, {shown}, at character {offset} (a lone surrogate).")
    return value


def _is_deeper_than(limit: int, data: bytes) -> bool:
    """Count brackets before the recursive parser meets them."""
    if data.count(b"[") + data.count(b"{") <= limit:
        return False
    steps = _STRING.sub(b"", data).translate(_BRACKET_STEPS, _NOT_BRACKETS)
    return max(accumulate(steps, lambda depth, step: depth + step - 1, initial=0)) > limit


def _read_object(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"The JSON has the key {_show(key)} twice in one object.")
            seen.add(key)
    return members


def _read_integer(digits: str) -> int:
    if len(digits) > MAX_INTEGER_LENGTH:
        raise _RefusedError(f"The JSON has a number too large to read, {_show(digits)}.")
    return int(digits)


def _read_float(digits: str) -> float:
    number = float(digits)
    if number in (float("inf"), float("-inf")):
        raise _RefusedError(f"The JSON has a number too large to read, {_show(digits)}.")
    return number


def _refuse_constant(name: str) -> JsonValue:
    raise _RefusedError(f"The JSON has {name}, which is not a JSON value.")


def _show(text: str) -> str:
    """A stranger's text, short and in ASCII, for an error's sentence."""
    return json.dumps(text if len(text) <= _SHOWN_LENGTH else text[:_SHOWN_LENGTH] + "...")
