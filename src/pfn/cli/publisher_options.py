"""Options and sentences that the commands of ``pfn publisher`` share."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pfn.cli.output import printable, say, when

if TYPE_CHECKING:
    from pfn.publisher.renewal import Renewed

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The publisher's folder.")]
RootKeyFiles = Annotated[
    list[Path] | None,
    typer.Option("--root-key", help="File of a root key, where it is not in the folder; may be given several times."),
]
NewKeyFile = Annotated[
    Path | None,
    typer.Option("--new-key", help="File of the new key or its public half, or where to make it."),
]
SignOffline = Annotated[
    Path | None,
    typer.Option("--sign-offline", metavar="DIR", help="Write what the root keys must sign to DIR, and sign nothing."),
]


def say_to_sign(folder: Path, to_sign: Path) -> None:
    """Say how a key document gets its signatures."""
    signed = to_sign.with_name(f"{to_sign.stem}.signed.json")
    say("The root keys must sign now. Carry the file to each, and bring back what comes out:")
    typer.echo(f"  pfn publisher sign {shlex.quote(str(to_sign))} --root-key ROOT.key")
    typer.echo(f"  pfn publisher accept {shlex.quote(str(folder))} {shlex.quote(str(signed))}")


def say_renewed(renewed: "Renewed") -> None:
    """Say what was published beside, and what is held back."""
    for release in renewed.signed_anew:
        say(f"Signed anew: {_name(release.statement.slug, release.statement.version)}")
    for release in renewed.held:
        name = _name(release.statement.slug, release.statement.version)
        say(
            f"[yellow]Held back:[/yellow] {name}, signed when its key was in other hands. Look at the zip, and publish "
            "it again with: pfn publisher add"
        )
    say(f"Catalogue {renewed.catalog.sequence} is valid until {when(renewed.catalog.expires)}.")


def _name(slug: str, version: str) -> str:
    return escape(printable(f"{slug} {version}"))
