"""A range of versions, as somebody writes it: ``>=1.2, <3``.

Conditions stand between commas and must hold together; each is ``>=``, ``<=``, ``>``, ``<``, ``=`` or ``!=`` and a
version. Their order is WordPress's (``pfn.wordpress.version``), so that a range means what an update screen means.
There is no SemVer here: no caret, no tilde, nothing special about pre-releases (``1.0-beta`` is older than ``1.0``).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from pfn.protocol.errors import Code, PfnError
from pfn.wordpress.version import compare_versions, is_version

_CONDITION: Final = re.compile(r"(>=|<=|!=|>|<|=)\s*(\S+)")
_HOLDS: Final[Mapping[str, Callable[[int], bool]]] = {
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
    "=": lambda order: order == 0,
    "!=": lambda order: order != 0,
}
_MOST_CONDITIONS: Final = 20


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Conditions that must hold together, each a sign and a version; where there is none, every version holds."""

    conditions: tuple[tuple[str, str], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a range; an empty text takes every version. Raises PfnError (``invalid_field``)."""
        if not text.strip():
            return cls()
        parts = text.split(",")
        if len(parts) > _MOST_CONDITIONS:
            raise PfnError(Code.INVALID_FIELD, f"versions: name {_MOST_CONDITIONS} conditions at most.")
        return cls(tuple(_parse_condition(part.strip()) for part in parts))

    def __str__(self) -> str:
        return ", ".join(f"{sign}{version}" for sign, version in self.conditions)

    def __contains__(self, version: str) -> bool:
        return all(_HOLDS[sign](compare_versions(version, bound)) for sign, bound in self.conditions)


ANY_VERSION: Final = VersionRange()


def _parse_condition(text: str) -> tuple[str, str]:
    found = _CONDITION.fullmatch(text)
    if found is None or not is_version(found[2]):
        raise PfnError(
            Code.INVALID_FIELD,
            f"versions: {text[:80]!r} is no condition; write for example: >=1.2, <3",
        )
    return found[1], found[2]
