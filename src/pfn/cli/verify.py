"""``pfn verify``: three forms of one question, whether a release is what its publisher signed.

With a source and a plugin a node is asked about the bytes it stores. With a zip on this machine the publisher's own
documents decide, and no node is asked, needed or believed. With a bundle a node's public log and its witnesses decide
too, and nobody is asked at all (``pfn.cli.verify_bundle``).
"""

import asyncio
import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pfn.cli.command import Data, NodeUrl, connect
from pfn.cli.options import Json, read_key
from pfn.cli.output import FAILED, USAGE, fail, printable, say, show_facts, show_json
from pfn.cli.plugin import Version
from pfn.cli.verify_bundle import Asked, verify_bundle_file
from pfn.client import (
    DownloadRefusedError,
    PublicKey,
    VerifiedDownload,
    find_instance_url,
    parse_public_key,
    read_documents,
    verify_download,
)
from pfn.client.state_file import StateFile
from pfn.protocol.errors import PfnError

_OFFLINE = "With a zip"
_BUNDLE = "With a proof"
_LONGEST_SIGNATURE = 1024


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    target: Annotated[
        str | None,
        typer.Argument(metavar="SOURCE|FILE.zip", help="username@host, or a zip on this machine.", show_default=False),
    ] = None,
    plugin: Annotated[
        str | None, typer.Argument(metavar="[PLUGIN]", help="The plugin's slug, after a SOURCE.", show_default=False)
    ] = None,
    version: Version = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", "--pin", help="With a zip: the publisher's public key or its file. Else the API key [PFN_KEY]."
        ),
    ] = None,
    source: Annotated[
        str | None, typer.Option("--source", help="Whose zip it is, username@host.", rich_help_panel=_OFFLINE)
    ] = None,
    slug: Annotated[
        str | None,
        typer.Option("--slug", help="Which plugin it is; else as the zip says.", rich_help_panel=_OFFLINE),
    ] = None,
    documents: Annotated[
        str | None,
        typer.Option(
            "--documents",
            metavar="FOLDER|URL",
            help="Where the publisher's documents are; else at the source's own address.",
            rich_help_panel=_OFFLINE,
        ),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", help="A file to remember what was seen in: going back is then noticed.", rich_help_panel=_OFFLINE
        ),
    ] = None,
    allow_yanked: Annotated[
        bool, typer.Option("--allow-yanked", help="Accept a version that was yanked.", rich_help_panel=_OFFLINE)
    ] = False,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", help="The release's proof, from: pfn proof", rich_help_panel=_BUNDLE),
    ] = None,
    policy: Annotated[
        Path | None,
        typer.Option("--policy", help="Which logs and witnesses you rely on (tlog-policy).", rich_help_panel=_BUNDLE),
    ] = None,
    allow_unsigned: Annotated[
        bool,
        typer.Option(
            "--allow-unsigned",
            help="Accept a release whose publisher signs no zips, for being logged.",
            rich_help_panel=_BUNDLE,
        ),
    ] = False,
    node: NodeUrl = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Verify a release: a node's stored bytes, or a zip here by the publisher's documents or by a node's proof.

    Exit code 1 where it fails.

    Example: pfn verify alice@plugins.example.com plain-reading-time --version 1.0.0

    Example: pfn verify reading-time.zip --source alice@plugins.example.com --key alice.pem

    Example: pfn verify --bundle proof.json reading-time.zip --policy policy.txt --pin alice.pem
    """
    if bundle is not None:
        if policy is None or any((plugin, documents)):
            raise typer.BadParameter("--bundle goes with --policy, and a zip alone: no PLUGIN, no --documents.")
        asked = Asked(source, slug, version, allow_yanked=allow_yanked, allow_unsigned=allow_unsigned)
        verify_bundle_file(bundle, None if target is None else Path(target), policy, key, asked, state, as_json=as_json)
        return
    if target is None or policy is not None or allow_unsigned:
        raise typer.BadParameter("Name a source and a plugin, a zip, or a proof: --bundle with --policy.")
    if plugin is not None:
        if any((source, slug, documents, state, allow_yanked)):
            raise typer.BadParameter("--source, --slug, --documents, --state and --allow-yanked go with a zip alone.")
        # PFN_KEY is the API key alone; it must never be taken for a publisher's.
        asyncio.run(_ask_node(node, key or os.environ.get("PFN_KEY"), data, target, plugin, version, as_json=as_json))
        return
    if source is None or key is None:
        raise typer.BadParameter(
            "Name the plugin (pfn verify SOURCE PLUGIN), or for a zip its publisher: --source and --key."
        )
    remembered = StateFile(state) if state else None
    known = remembered.read(source) if remembered else None
    content, signature = _read_zip(Path(target))
    try:
        pin = _read_pin(key)
        slug, named = _identify(content, slug, version)
        where = documents or find_instance_url(source)
        found = read_documents(where, slug=slug, version=named, signature=signature)
        verified = verify_download(
            content,
            found,
            source=source,
            slug=slug,
            pin=pin,
            now=int(time.time()),
            version=version,
            accept_yanked=allow_yanked,
            known=known,
        )
    except PfnError as error:
        raise _refuse(error, as_json=as_json) from error
    if remembered:
        remembered.remember(source, verified.known)
    _show(verified, as_json=as_json)


async def _ask_node(
    node: str | None,
    key: str | None,
    data: Path | None,
    source: str,
    plugin: str,
    version: str | None,
    *,
    as_json: bool,
) -> None:
    async with connect(node, key, data) as client:
        verdict = await client.get("/federation/verify", source=source, plugin=plugin, version=version)
    if as_json:
        show_json(verdict)
    else:
        show_facts(
            (
                ("release", f"{verdict['plugin']} {verdict['version']} of {verdict['source']}"),
                ("signature", f"{verdict['signature_level']}: {verdict['explanation']}"),
                ("key", verdict["key_fingerprint"]),
                ("sha256", verdict["digests"]["sha256"]),
                ("size", verdict["digests"]["size"]),
            )
        )
        _show_checks(verdict["checks"])
        say("[green]Everything holds.[/green]" if verdict["valid"] else "[red]It does not hold.[/red]")
    if not verdict["valid"]:
        raise typer.Exit(FAILED)


def _read_zip(file: Path) -> tuple[bytes, str | None]:
    """The zip, and the signature in ``FILE.zip.sig`` where there is one."""
    beside = file.with_name(f"{file.name}.sig")
    try:
        signature = beside.read_bytes()[:_LONGEST_SIGNATURE].decode("ascii", "replace") if beside.is_file() else None
        return file.read_bytes(), signature
    except OSError as error:
        raise fail(f"{error.filename} cannot be read: {error.strerror}.", "unreadable", USAGE) from None


def _read_pin(given: str) -> PublicKey:
    try:
        return parse_public_key(read_key(given))
    except UnicodeDecodeError as error:
        raise typer.BadParameter(f"{given} is no text; a PEM file is needed.", param_hint="--key") from error


def _identify(content: bytes, slug: str | None, version: str | None) -> tuple[str, str | None]:
    """Say which plugin and version to ask for; what the zip says of itself is no more than a hint."""
    from pfn.wordpress.plugin_zip import inspect_zip

    if slug is not None and version is not None:
        return slug, version
    report = inspect_zip(content)
    slug = slug or report.top_folder
    if slug is None:
        raise typer.BadParameter("The zip does not say which plugin it is; name it: --slug")
    return slug, version or (report.header.version if report.header else None)


def _refuse(error: PfnError, *, as_json: bool) -> typer.Exit:
    checks = [check.to_json() for check in error.checks] if isinstance(error, DownloadRefusedError) else []
    if as_json:
        show_json({"valid": False, "code": error.code.slug, "detail": error.detail, "checks": checks})
        return typer.Exit(FAILED)
    _show_checks(checks)
    return fail(error.detail, error.code.slug)


def _show(verified: VerifiedDownload, *, as_json: bool) -> None:
    statement = verified.statement
    checks = [check.to_json() for check in verified.checks]
    if as_json:
        show_json(
            {
                "valid": True,
                "source": statement.source,
                "plugin": statement.slug,
                "version": statement.version,
                "newest": verified.newest,
                "signature_level": "artifact",
                "key_fingerprint": verified.key.fingerprint,
                "digests": {"sha256": statement.sha256, "sha384": statement.sha384, "size": statement.length},
                "checks": checks,
            }
        )
        return
    show_facts(
        (
            ("release", f"{statement.slug} {statement.version} of {statement.source}"),
            ("newest", verified.newest),
            ("signed by", verified.key.fingerprint),
            ("sha256", statement.sha256),
            ("size", statement.length),
        )
    )
    _show_checks(checks)
    say("[green]Everything holds.[/green]")


def _show_checks(checks: list[dict[str, Any]]) -> None:
    for check in checks:
        sign = "[green]ok[/green]  " if check["passed"] else "[red]fail[/red]"
        say(f"  {sign} {check['name']}: {escape(printable(check['detail']))}")
