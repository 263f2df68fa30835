"""``pfn inspect``: would a node mirror this zip, and if not, why?

Answers for showing a report; what is judged is ``pfn.wordpress.plugin_zip``'s business. It needs no node.

Exit codes: 0 accepted, 1 refused, 2 not a readable zip.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from pfn.cli.options import Json
from pfn.cli.output import FAILED, USAGE, fail, printable, say, show_facts, show_json

if TYPE_CHECKING:
    from pfn.wordpress.plugin_zip import Finding, ZipReport


def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE.zip", help="The zip of a plugin or theme.")],
    slug: Annotated[str | None, typer.Option(help="The slug that the top folder must have.")] = None,
    version: Annotated[str | None, typer.Option(help="The version that the header must name.")] = None,
    as_json: Json = False,
) -> None:
    """Judge a plugin zip as a node would, before you publish it.

    Example: pfn inspect my-plugin.1.2.3.zip --slug my-plugin --version 1.2.3
    """
    from pfn.wordpress.plugin_zip import inspect_zip

    try:
        data = file.read_bytes()
    except OSError as error:
        raise fail(f"{file} cannot be read: {error.strerror}.", "unreadable", USAGE) from None
    report = inspect_zip(data, slug=slug, version=version)
    if as_json:
        show_json(report.to_json())
    else:
        _show(file, report)
    if not report.accepted:
        raise typer.Exit(FAILED if report.readable else USAGE)


def _show(file: Path, report: "ZipReport") -> None:
    verdict = "[bold green]accepted[/bold green]" if report.accepted else "[bold red]refused[/bold red]"
    say(f"{escape(printable(file.name))}: {verdict}")
    if report.manifest:
        show_facts(_facts(report))
    _show_findings(report.findings, "red")
    _show_findings(report.warnings, "yellow")


def _facts(report: "ZipReport") -> Iterable[tuple[str, object]]:
    yield "kind", report.kind
    yield "name", report.header and report.header.name
    yield "version", report.header and report.header.version
    yield "license", (report.header and report.header.license) or (report.readme and report.readme.license)
    yield "top folder", report.top_folder
    yield "main file", report.main_file
    yield "files", f"{len(report.manifest)}, {report.total_size:,} bytes unpacked"


def _show_findings(findings: "Iterable[Finding]", color: str) -> None:
    for finding in findings:
        where = f" [bold]{escape(printable(finding.path))}[/bold]" if finding.path else ""
        say(f"[{color}]{finding.code}[/{color}]{where} {escape(printable(finding.sentence))}")
