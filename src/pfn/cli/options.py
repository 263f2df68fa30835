"""Options that many commands share."""

from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
SourceId = Annotated[str, typer.Argument(metavar="SOURCE", help="username@host, as in: pfn source list")]
