"""Which of two versions is newer: WordPress asks PHP's ``version_compare``, so a node must answer the same.

Answers for the order of any two strings, equal to PHP for every one of them, and for what may stand as a
release's version in URLs and rows. It does not judge whether a version is semantic, stable or wise (facts:
client contracts 3a: SemVer gives other answers).

The rules: a version is cut into parts at ``- _ + .``, at every other sign, and between digits and letters.
Parts are compared from the left: numbers by value, words by how they begin, in the order
``unknown < dev < alpha = a < beta = b < RC = rc < # < pl = p``, and a number among words stands where ``#``
stands. When one version ends first, a further number makes the other newer, and a further word is weighed
against ``#``: ``1.0-dev < 1.0RC1 < 1.0 < 1.0.0`` and ``1.0 < 1.0p1``.
"""

import re
from collections.abc import Iterable
from functools import cmp_to_key, lru_cache
from itertools import pairwise
from string import ascii_letters, digits
from typing import Final

_FORMS: Final = (
    (b"dev", 0),
    (b"alpha", 1),
    (b"a", 1),
    (b"beta", 2),
    (b"b", 2),
    (b"RC", 3),
    (b"rc", 3),
    (b"#", 4),
    (b"pl", 5),
    (b"p", 5),
)
_UNKNOWN_FORM: Final = -1
_ANY_NUMBER: Final = b"#N#"
_LONG_MAX: Final = 2**63 - 1
_LONG_DIGITS: Final = 19
_DOT: Final = ord(".")
_SEPARATORS: Final = b".-_+"
_DIGITS: Final = b"0123456789"
_ALPHANUMERIC: Final = (ascii_letters + digits).encode()
_PLAIN: Final = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})*", re.ASCII)
_RELEASE_VERSION: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+_-]{0,63}")


def compare_versions(a: str, b: str) -> int:
    """Return -1, 0 or 1 as ``a`` is older than, equal to or newer than ``b`` in PHP.

    Any two strings will do, but bound the length of a stranger's first: a chain of ``#.`` costs its square.
    0 does not mean the same text: ``1.0-rc1`` equals ``1.0RC1``.
    """
    left, right = a.encode("utf-8", "surrogatepass"), b.encode("utf-8", "surrogatepass")
    while left and right:
        order, rest_left, rest_right = _compare_parts(_parts(left), _parts(right))
        if order:
            return order
        if rest_left:
            if rest_left[0][:1].isdigit():
                return 1
            left, right = b".".join(rest_left), _ANY_NUMBER
        elif rest_right:
            if rest_right[0][:1].isdigit():
                return -1
            left, right = _ANY_NUMBER, b".".join(rest_right)
        else:
            return 0
    return bool(left) - bool(right)


@lru_cache(maxsize=4096)  # sites ask about the same few all day
def is_newer(candidate: str, than: str) -> bool:
    """Tell whether WordPress would offer ``candidate`` as an update to ``than``."""
    return compare_versions(candidate, than) > 0


def sort_versions(versions: Iterable[str]) -> list[str]:
    """Return the versions, oldest first; equal ones by their text, whatever order they came in."""
    texts = sorted(versions)
    if all(_PLAIN.fullmatch(text) for text in texts):
        # Nearly all are numbers and dots. These compare as their numbers do, and PHP's way takes ten times as long.
        return sorted(texts, key=lambda text: [int(number) for number in text.split(".")])
    return sorted(texts, key=cmp_to_key(compare_versions))


def newest(versions: Iterable[str]) -> str | None:
    """Return the version that ``sort_versions`` puts last, or None where there is none."""
    return next(reversed(sort_versions(versions)), None)


def is_version(text: str) -> bool:
    """Tell whether ``text`` may be a release's version in a URL or a row.

    1-64 of ``0-9 A-Z a-z . + _ -``, starting with a letter or digit, without ``..``.
    """
    return _RELEASE_VERSION.fullmatch(text) is not None and ".." not in text


def _compare_parts(left: list[bytes], right: list[bytes]) -> tuple[int, list[bytes], list[bytes]]:
    """Compare part by part while both sides have one; return the order and what is left of each side.

    PHP never compares an empty last part (the version ends in a separator): it is left over.
    """
    shared = min(len(left) - (not left[-1]), len(right) - (not right[-1]))
    for part_left, part_right in zip(left[:shared], right[:shared], strict=True):
        order = _compare_part(part_left, part_right)
        if order:
            return order, [], []
    return 0, left[shared:], right[shared:]


def _compare_part(a: bytes, b: bytes) -> int:
    a_is_number, b_is_number = a[:1].isdigit(), b[:1].isdigit()
    if a_is_number and b_is_number:
        x, y = _number(a), _number(b)
    else:
        x, y = _form(_ANY_NUMBER if a_is_number else a), _form(_ANY_NUMBER if b_is_number else b)
    return (x > y) - (x < y)


def _number(part: bytes) -> int:
    """Read the leading digits as C's ``strtol`` does with 64 bits: the largest long is the end."""
    value = part[: len(part) - len(part.lstrip(_DIGITS))].lstrip(b"0") or b"0"
    return min(int(value), _LONG_MAX) if len(value) <= _LONG_DIGITS else _LONG_MAX


def _form(part: bytes) -> int:
    return next((rank for name, rank in _FORMS if part.startswith(name)), _UNKNOWN_FORM)


def _parts(version: bytes) -> list[bytes]:
    """Cut a version, not empty, into its parts. PHP leaves a version that starts with ``#`` as it is."""
    return (version if version.startswith(b"#") else _canonicalise(version)).split(b".")


def _canonicalise(version: bytes) -> bytes:
    """Put one dot for each run of separators and one between digits and others; the first byte stays."""
    out = bytearray(version[:1])
    for before, byte in pairwise(version):
        at_edge = (byte in _DIGITS) != (before in _DIGITS)
        keep = byte not in _SEPARATORS and (at_edge or byte in _ALPHANUMERIC)
        if (at_edge or not keep) and out[-1] != _DOT:
            out.append(_DOT)
        if keep:
            out.append(byte)
    return bytes(out)
