"""``pfn publisher``: add, yank, renew. What the release key signs."""

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pfn.cli.options import Json
from pfn.cli.output import FAILED, printable, say, show_json
from pfn.cli.publisher_options import Folder, RootKeyFiles, SignOffline, say_renewed, say_to_sign


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (("add", add), ("yank", yank), ("renew", renew)):
        app.command(name)(command)


def add(
    folder: Folder,
    zips: Annotated[list[Path], typer.Argument(metavar="ZIP...", help="Zips of plugins, all their own versions.")],
    as_json: Json = False,
) -> None:
    """Publish zips: all of them, or none where one is refused (exit code 1). A version never changes.

    Example: pfn publisher add my-plugins reading-time.1.0.0.zip
    """
    from pfn.publisher.add import add_zips
    from pfn.publisher.folder import open_folder

    added = add_zips(open_folder(folder), zips, now=int(time.time()))
    if as_json:
        show_json(
            {
                "published": [
                    {
                        "slug": release.statement.slug,
                        "version": release.statement.version,
                        "sequence": release.statement.sequence,
                        "sha256": release.statement.sha256,
                    }
                    for release in added.published
                ],
                "known": [{"slug": release.slug, "version": release.version} for release in added.known],
                "refused": [
                    {
                        "file": str(path),
                        "reasons": [{"code": reason.code, "detail": reason.sentence} for reason in reasons],
                    }
                    for path, reasons in added.refused.items()
                ],
            }
        )
    else:
        for release in added.published:
            say(f"[green]published[/green] {_name(release.statement.slug, release.statement.version)}")
        for known in added.known:
            say(f"there already: {_name(known.slug, known.version)}")
        for path, reasons in added.refused.items():
            say(f"[red]refused[/red] {escape(printable(str(path)))}")
            for reason in reasons:
                say(f"  [red]{reason.code}[/red] {escape(printable(reason.sentence))}")
        if added.refused:
            say("Nothing was published.")
    if added.refused:
        raise typer.Exit(FAILED)


def yank(
    folder: Folder,
    slug: Annotated[str, typer.Argument(metavar="SLUG", help="The plugin.")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="The version not to be installed any more.")],
    reason: Annotated[str, typer.Option(help="Why, for everyone to read.")],
    as_json: Json = False,
) -> None:
    """Take a version back: nodes stop offering it. Its bytes stay, and it cannot be undone; publish a newer one.

    Example: pfn publisher yank my-plugins reading-time 1.0.0 --reason "Loses settings."
    """
    from pfn.publisher.folder import open_folder
    from pfn.publisher.renewal import yank as yank_release

    renewed = yank_release(open_folder(folder), slug, version, reason=reason, now=int(time.time()))
    newest = renewed.catalog.find_release(slug)
    if as_json:
        show_json({"slug": slug, "version": version, "newest": newest and newest.version, **_describe(renewed.catalog)})
        return
    say(f"Yanked {_name(slug, version)}. The newest is now {newest.version if newest else 'none'}.")
    say_renewed(renewed)


def renew(
    folder: Folder,
    root_key: RootKeyFiles = None,
    sign_offline: SignOffline = None,
    as_json: Json = False,
) -> None:
    """Publish a fresh catalogue; with the root key also a fresh key document, when the old one is near its end.

    Run it once a week: a catalogue is valid for 14 days. With --root-key or --sign-offline the key document is renewed
    in any case.

    Example: pfn publisher renew my-plugins
    """
    from pfn.publisher.folder import open_folder
    from pfn.publisher.key_change import RootKeys, find_root_keys
    from pfn.publisher.key_document import NEAR_EXPIRY
    from pfn.publisher.renewal import renew as renew_catalog
    from pfn.publisher.rotation import renew_document
    from pfn.publisher.signed import read_signed

    opened, now = open_folder(folder), int(time.time())
    document = read_signed(opened).trusted.document
    is_near = document.expires - now < NEAR_EXPIRY
    if root_key or sign_offline or (is_near and find_root_keys(opened, ())):
        changed = renew_document(opened, roots=RootKeys(tuple(root_key or ()), sign_offline), now=now)
        to_sign, renewed, document = changed.to_sign, changed.renewed, changed.document
    else:
        to_sign, renewed = None, renew_catalog(opened, now=now)
    if as_json:
        show_json(
            {
                "version": document.version,
                "key_document_expires": document.expires,
                "to_sign": to_sign and str(to_sign),
                **(_describe(renewed.catalog) if renewed else {}),
            }
        )
        return
    if to_sign is not None:
        say_to_sign(folder, to_sign)
        return
    if renewed:
        say_renewed(renewed)
    if is_near and not (root_key or find_root_keys(opened, ())):
        say("[yellow]The key document expires soon.[/yellow] Renew it with: pfn publisher renew --root-key FILE")


def _describe(catalog: Any) -> dict[str, object]:  # noqa: ANN401  # pfn.protocol is imported when it is needed
    return {"catalog": catalog.sequence, "expires": catalog.expires}


def _name(slug: str, version: str) -> str:
    return escape(printable(f"{slug} {version}"))
