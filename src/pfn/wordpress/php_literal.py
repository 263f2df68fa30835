"""Write values as PHP source text.

The one way by which a value gets into a PHP file that is made here: whatever it is, it stays a value. Strings are
single-quoted, where PHP gives a meaning to nothing but the backslash and the quote.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

PhpValue: TypeAlias = "str | Sequence[PhpValue] | Mapping[str, PhpValue]"


def write_php(value: PhpValue, *, indent: int = 0) -> str:
    """Write a string, a list or a map as PHP 7.4 and later read it; ``indent`` is how many tabs its last line has."""
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if not value:
        return "array()"
    inner = "\t" * (indent + 1)
    if isinstance(value, Mapping):
        lines = [
            f"{inner}{write_php(name)} => {write_php(content, indent=indent + 1)},\n" for name, content in value.items()
        ]
    else:
        lines = [f"{inner}{write_php(content, indent=indent + 1)},\n" for content in value]
    return f"array(\n{''.join(lines)}" + "\t" * indent + ")"
