"""``pfn publisher``: rotate-key, revoke-key, new-key, sign, accept. What the root key signs."""

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pfn.cli.options import Json
from pfn.cli.output import say, show_facts, show_json, show_table, when
from pfn.cli.publisher_options import Folder, NewKeyFile, RootKeyFiles, SignOffline, say_renewed, say_to_sign
from pfn.protocol.errors import Code, PfnError

if TYPE_CHECKING:
    from pfn.protocol.publisher_document import PublisherDocument
    from pfn.publisher.folder import PublisherFolder
    from pfn.publisher.key_change import Changed
    from pfn.publisher.signed import Signed


class KeyRole(StrEnum):
    """The keys that can change; the v1 key cannot, for v1 has no way to say so."""

    RELEASE = "release"
    OWNERSHIP = "ownership"
    ROOT = "root"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for name, command in (
        ("rotate-key", rotate_key),
        ("revoke-key", revoke_key),
        ("new-key", new_key),
        ("sign", sign),
        ("accept", accept),
    ):
        app.command(name)(command)


def rotate_key(
    folder: Folder,
    role: Annotated[KeyRole, typer.Argument(metavar="ROLE", help="release, ownership or root.")],
    key: Annotated[
        str | None, typer.Option("--key", help="Which one, where there are several: how its id begins.")
    ] = None,
    new_key: NewKeyFile = None,
    root_key: RootKeyFiles = None,
    sign_offline: SignOffline = None,
    as_json: Json = False,
) -> None:
    """Take a new key for an old one that nobody has stolen. The old release key stays valid for 14 days.

    Example: pfn publisher rotate-key my-plugins release --root-key /media/usb/root.key
    """
    from pfn.publisher import rotation
    from pfn.publisher.folder import open_folder
    from pfn.publisher.key_change import RootKeys
    from pfn.publisher.keys import Role

    changed = rotation.rotate_key(
        open_folder(folder),
        Role(role.value),
        roots=RootKeys(tuple(root_key or ()), sign_offline),
        now=int(time.time()),
        which=key,
        new_key=new_key,
    )
    _show_change(folder, changed, as_json)


def revoke_key(
    folder: Folder,
    key: Annotated[str, typer.Argument(metavar="ID", help="How the key's id begins, as pfn publisher show lists it.")],
    reason: Annotated[str, typer.Option(help="Why, for everyone to read.")],
    compromised_since: Annotated[
        str, typer.Option(metavar="TIME", help="Since when others may have it: 2026-01-31, or with T12:00Z.")
    ],
    new_key: NewKeyFile = None,
    root_key: RootKeyFiles = None,
    sign_offline: SignOffline = None,
    as_json: Json = False,
) -> None:
    """Say that a key is stolen: nothing that it signed since then is believed. It cannot be undone.

    What it signed before is signed anew. A new key takes its place where nothing could be signed without.

    Example: pfn publisher revoke-key my-plugins 0123456789ab --reason "Laptop stolen." --compromised-since 2026-01-31
    """
    from pfn.publisher import rotation
    from pfn.publisher.folder import open_folder
    from pfn.publisher.key_change import RootKeys

    since = _read_time(compromised_since)
    changed = rotation.revoke_key(
        open_folder(folder),
        key,
        reason=reason,
        compromised_since=since,
        roots=RootKeys(tuple(root_key or ()), sign_offline),
        now=int(time.time()),
        new_key=new_key,
    )
    _show_change(folder, changed, as_json)


def new_key(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="Where the private key shall be; it must not be there yet.")
    ],
    as_json: Json = False,
) -> None:
    """Make a key pair, on a machine that need not hold anything else. Shows the public half.

    Example: pfn publisher new-key root.key
    """
    from pfn.publisher.keys import make_key

    if file.exists():
        raise PfnError(Code.CONFIG_INVALID, f"{file} is there already; nothing was changed.")
    public = make_key(file).public_key
    if as_json:
        show_json({"file": str(file), "public_key": public.pem, "fingerprint": public.fingerprint})
        return
    show_facts([("private key", file), ("fingerprint", public.fingerprint)])
    say(f"\n{public.pem}")


def sign(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What --sign-offline wrote, or what another signed.")],
    root_key: Annotated[list[Path], typer.Option("--root-key", help="File of a root key; may be given several times.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="The signed file; by default beside the first.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Sign without asking.")] = False,
) -> None:
    """Sign a key document with a root key: needs no network and no folder. Shows what it signs, and asks.

    Example: pfn publisher sign publisher.2.json --root-key root.key
    """
    from pfn.publisher.key_change import read_payload_file, sign_payload_file
    from pfn.publisher.keys import read_key

    keys = [read_key(path) for path in root_key]
    _, document = read_payload_file(file)
    _show_document(document)
    if not yes:
        typer.confirm("Is this what you mean to sign?", abort=True, err=True)
    try:
        written = sign_payload_file(file, keys, out)
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"Cannot write {error.filename}: {error.strerror}.") from error
    say(f"Signed: {written}")


def accept(
    folder: Folder,
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="What the root keys signed.")],
    as_json: Json = False,
) -> None:
    """Publish a key document that was signed elsewhere; several files about one document are put together.

    Example: pfn publisher accept my-plugins publisher.2.signed.json
    """
    from pfn.publisher.folder import open_folder
    from pfn.publisher.key_change import accept as accept_files

    _show_change(folder, accept_files(open_folder(folder), files, now=int(time.time())), as_json)


def describe_keys(folder: "PublisherFolder", signed: "Signed") -> list[dict[str, Any]]:
    """List the keys of the newest key document, and the v1 key where it is here, as JSON."""
    from pfn.protocol.dsse import key_id
    from pfn.publisher.keys import Role, find_key, key_file, read_key
    from pfn.publisher.rotation import list_keys

    document = signed.trusted.document
    revoked = {key.id: key for key in document.revoked}
    limits = {key.id: key for key in document.release_keys}
    rows: list[dict[str, Any]] = []
    for role, keys in list_keys(document).items():
        for key in keys:
            limit, revocation = limits.get(key_id(key)), revoked.get(key_id(key))
            rows.append(
                {
                    "role": role.value,
                    "id": key_id(key),
                    "fingerprint": key.fingerprint,
                    "not_before": limit and limit.not_before,
                    "not_after": limit and limit.not_after,
                    "slugs": limit and limit.slugs and list(limit.slugs),
                    "compromised_since": revocation and revocation.compromised_since,
                    "here": find_key(folder.keys, role, [key]) is not None,
                }
            )
    v1_file = key_file(folder.keys, Role.V1)
    if v1_file.exists():
        public = read_key(v1_file).public_key
        rows.append({"role": Role.V1.value, "id": key_id(public), "fingerprint": public.fingerprint, "here": True})
    return rows


def show_keys(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print what ``describe_keys`` gives."""
    show_table(
        ("role", "id", "valid until", "plugins", "revoked since", "private key"),
        (
            (
                row["role"],
                row["id"][:16],
                when(row.get("not_after")),
                ", ".join(row.get("slugs") or ()) or "all",
                when(row.get("compromised_since")),
                "here" if row["here"] else "elsewhere",
            )
            for row in rows
        ),
        empty="",
    )


def _show_change(folder: Path, changed: "Changed", as_json: bool) -> None:
    document, renewed = changed.document, changed.renewed
    if as_json:
        show_json(
            {
                "version": document.version,
                "expires": document.expires,
                "to_sign": changed.to_sign and str(changed.to_sign),
                "catalog": renewed and renewed.catalog.sequence,
                "signed_anew": [
                    {"slug": release.statement.slug, "version": release.statement.version}
                    for release in (renewed.signed_anew if renewed else ())
                ],
                "held": [
                    {"slug": release.statement.slug, "version": release.statement.version}
                    for release in (renewed.held if renewed else ())
                ],
            }
        )
        return
    if changed.to_sign is not None:
        say_to_sign(folder, changed.to_sign)
        return
    say(f"Version {document.version} of the key document is published; it expires {when(document.expires)}.")
    if renewed is None:
        say("[yellow]No release key is here.[/yellow] Where it is, run: pfn publisher renew")
    else:
        say_renewed(renewed)


def _show_document(document: "PublisherDocument") -> None:
    show_facts(
        [
            ("source", document.source),
            ("address", document.instance_url),
            ("version", document.version),
            ("follows", document.previous),
            ("expires", when(document.expires)),
            ("threshold", f"{document.threshold} of {len(document.root_keys)}"),
            *(("root key", key.key.fingerprint) for key in document.root_keys),
            *(("release key", f"{key.key.fingerprint} until {when(key.not_after)}") for key in document.release_keys),
            *(("ownership key", key.key.fingerprint) for key in document.ownership_keys),
            *(
                ("revoked", f"{key.id[:16]} since {when(key.compromised_since)}: {key.reason}")
                for key in document.revoked
            ),
        ]
    )


def _read_time(text: str) -> int:
    try:
        given = datetime.fromisoformat(text)
    except ValueError as error:
        raise PfnError(
            Code.CONFIG_INVALID, f"--compromised-since: {text!r} is no time; write 2026-01-31 or 2026-01-31T12:00Z."
        ) from error
    return int((given if given.tzinfo else given.replace(tzinfo=UTC)).timestamp())
