"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="username@host, as in: pfn source list")]


def read_key(given: str) -> str:
    """Give a public key's text: the content of the file that is named, or what was given itself."""
    path = Path(given)
    # The key's own text may be too long for a file name, which some systems call an error.
    if len(given) < 1000 and "\n" not in given and path.is_file():
        return path.read_text(encoding="utf-8")
    return given
