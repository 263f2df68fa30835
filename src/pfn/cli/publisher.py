"""``pfn publisher``: init, show, build, serve. Makes a folder of signed plugins, and publishes it.

What is signed with the release key is in ``publisher_release``, what needs the root key in ``publisher_keys``.
"""

import ipaddress
import shlex
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from pfn.cli import publisher_keys, publisher_release
from pfn.cli.options import Json
from pfn.cli.output import FAILED, printable, say, show_facts, show_json, show_table, when
from pfn.cli.publisher_options import Folder, RootKeyFiles, SignOffline, say_to_sign
from pfn.protocol.errors import Code, PfnError

if TYPE_CHECKING:
    from pfn.publisher.signed import Signed

DEFAULT_PORT: Final = 8100

app = typer.Typer(
    help="Publish your own plugins: sign zips and serve them to nodes, or build static files of them.",
    no_args_is_help=True,
)


@app.command("init")
def init(
    folder: Folder,
    username: Annotated[str, typer.Option("--username", "-u", help="Your name in every address; it cannot change.")],
    public_url: Annotated[
        str | None, typer.Option(help="Where nodes will reach you, https://…; it cannot change either.")
    ] = None,
    website: Annotated[str | None, typer.Option(help="Your website, https://…")] = None,
    github: Annotated[str | None, typer.Option(help="Your name on GitHub.")] = None,
    twitter: Annotated[str | None, typer.Option(help="Your name on Twitter.")] = None,
    root_key: RootKeyFiles = None,
    root_public_key: Annotated[
        list[Path] | None,
        typer.Option(help="The public half of a root key that somebody else holds; may be given several times."),
    ] = None,
    threshold: Annotated[int, typer.Option(help="How many root keys must sign.", min=1)] = 1,
    sign_offline: SignOffline = None,
    as_json: Json = False,
) -> None:
    """Make a publisher: its settings, its keys, the first key document. What is there is never overwritten.

    Example: pfn publisher init my-plugins --username alice --public-url https://plugins.example.com
    """
    from pfn.publisher.creation import Roots, create_publisher
    from pfn.publisher.keys import take_key
    from pfn.publisher.profile import read_profile

    values = {
        "username": username,
        "public_url": public_url or f"http://127.0.0.1:{DEFAULT_PORT}",
        "member_since": datetime.now(UTC).date(),
        "website": website,
        "github": github,
        "twitter": twitter,
    }
    profile = read_profile(values, "Your options")
    others = tuple(take_key(_require_file(path)) for path in root_public_key or ())
    made = create_publisher(
        folder,
        profile,
        now=int(time.time()),
        roots=Roots(tuple(root_key or ()), others, threshold),
        sign_offline=sign_offline,
    )
    place = shlex.quote(str(folder))
    pins = made.root_keys
    if as_json:
        show_json(
            {
                "folder": str(made.folder.path),
                "username": username,
                "public_url": profile.public_url,
                "settings_file": str(made.folder.settings_file),
                "keys": str(made.folder.keys),
                "public_key": pins[0].pem,
                "fingerprint": pins[0].fingerprint,
                "root_keys": [key.pem for key in pins],
                "v1_public_key": made.v1_key.pem,
                "to_sign": made.to_sign and str(made.to_sign),
                "next": f"pfn publisher add {place} PLUGIN.zip",
            }
        )
        return
    show_facts(
        [
            ("publisher", f"{username} at {profile.public_url}"),
            ("settings", made.folder.settings_file),
            ("private keys", made.folder.keys),
            *(("root key", key.fingerprint) for key in pins),
            ("v1 key", made.v1_key.fingerprint),
        ]
    )
    say("\nThe root key, for operators to register; tell them the fingerprint in another way:\n")
    say(pins[0].pem)
    say("The v1 key, for nodes that speak only v1:\n")
    say(made.v1_key.pem)
    if public_url is None:
        say("Only nodes on this machine reach this address. For others begin again with --public-url https://…\n")
    if made.to_sign is not None:
        say_to_sign(folder, made.to_sign)
        return
    say("Keep the private keys secret, and copies of them elsewhere. Next:")
    typer.echo(f"  pfn publisher add {place} PLUGIN.zip")
    typer.echo(f"  pfn publisher serve {place}")


@app.command("show")
def show(folder: Folder, as_json: Json = False) -> None:
    """Show a publisher: keys, expiry, releases, and what a node would refuse. Exit code 1 where there is such.

    Example: pfn publisher show my-plugins
    """
    from pfn.publisher.check import find_problems
    from pfn.publisher.folder import open_folder
    from pfn.publisher.signed import read_signed

    opened = open_folder(folder)
    signed = read_signed(opened)
    problems = find_problems(opened, signed, now=int(time.time()))
    keys = publisher_keys.describe_keys(opened, signed)
    document, catalog = signed.trusted.document, signed.catalog
    plugins = _describe_plugins(signed)
    if as_json:
        show_json(
            {
                "source": document.source,
                "instance_url": document.instance_url,
                "public_key": signed.pin.pem,
                "fingerprint": signed.pin.fingerprint,
                "version": document.version,
                "expires": document.expires,
                "threshold": document.threshold,
                "keys": keys,
                "catalog": catalog and {"sequence": catalog.sequence, "expires": catalog.expires},
                "plugins": plugins,
                "yanked": [yank.model_dump() for yank in signed.yanked],
                "problems": [
                    {"code": problem.code, "detail": problem.sentence, "fatal": problem.fatal} for problem in problems
                ],
            }
        )
    else:
        show_facts(
            [
                ("source", document.source),
                ("address", document.instance_url),
                ("to register", signed.pin.fingerprint),
                ("key document", f"version {document.version}, expires {when(document.expires)}"),
                ("root keys", f"{document.threshold} of {len(document.root_keys)} must sign"),
                ("catalogue", catalog and f"number {catalog.sequence}, expires {when(catalog.expires)}"),
            ]
        )
        say("\n[bold]Keys[/bold]")
        publisher_keys.show_keys(keys)
        say("\n[bold]Plugins[/bold]")
        show_table(
            ("plugin", "newest", "versions", "yanked", "statements"),
            ([row["slug"], row["newest"], row["versions"], row["yanked"], row["sequence"]] for row in plugins),
            empty="Nothing is published yet. Publish zips with: pfn publisher add",
        )
        for problem in problems:
            color = "red" if problem.fatal else "yellow"
            say(f"\n[{color}]{problem.code}[/{color}] {escape(printable(problem.sentence))}")
    if any(problem.fatal for problem in problems):
        raise typer.Exit(FAILED)


@app.command("build")
def build(
    folder: Folder,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The folder for the site; made where it is missing.")],
    as_json: Json = False,
) -> None:
    """Write the whole publisher as static files, for any web host. Needs no key; with the v1 key, v1 data is signed.

    Example: pfn publisher build my-plugins public
    """
    from pfn.publisher.build import build_site
    from pfn.publisher.folder import open_folder

    opened = open_folder(folder)
    built = build_site(opened, out, now=int(time.time()))
    if as_json:
        show_json({"out": str(out), "files": built.files, "written": built.written})
        return
    say(f"{built.files} files in {escape(str(out))}, {built.written} of them new or changed.")
    say(f"Serve them at {opened.profile.public_url}/")


@app.command("serve")
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(
            help=f"The port; 0 takes any free one. By default {DEFAULT_PORT}, or a loopback address's own.",
            min=0,
            max=65535,
        ),
    ] = None,
) -> None:
    """Serve a publisher until Ctrl-C: its signed files, and v1. What is added later is served without a restart.

    Example: pfn publisher serve my-plugins --host 127.0.0.1 --port 8100
    """
    from pfn.cli.listen import open_listener, serve_app
    from pfn.cli.log import configure_logging
    from pfn.publisher.folder import open_folder
    from pfn.publisher.server import build_app
    from pfn.publisher.shelf import Shelf

    opened = open_folder(folder)
    configure_logging("console", "info")
    url = opened.profile.public_url
    with open_listener(host, _choose_port(url) if port is None else port) as listener:
        shelf = Shelf(opened)
        site = shelf.current
        show_facts(
            [
                ("source", site.publisher.source_id),
                ("address", url),
                ("to register", site.publisher.shown_key.fingerprint),
                ("plugins", len(site.plugins)),
                ("releases", len(site.zips)),
            ]
        )
        listening, at = listener.getsockname()[:2]
        typer.echo(f"Listening on http://{f'[{listening}]' if ':' in listening else listening}:{at}")
        serve_app(build_app(shelf), listener)


def _describe_plugins(signed: "Signed") -> list[dict[str, object]]:
    catalog = signed.catalog
    rows: list[dict[str, object]] = []
    for slug, row in signed.rows.items():
        listed = catalog.find_release(slug) if catalog else None
        rows.append(
            {
                "slug": slug,
                "newest": listed and listed.version,
                "versions": len({release.statement.version for release in row}),
                "yanked": sum(yank.slug == slug for yank in signed.yanked),
                "sequence": row[-1].statement.sequence,
            }
        )
    return rows


def _choose_port(url: str) -> int:
    """Give the port to listen on: on this machine the address's own, behind a proxy the usual one."""
    parts = urlsplit(url)
    try:
        is_here = ipaddress.ip_address(parts.hostname or "").is_loopback
    except ValueError:
        is_here = parts.hostname == "localhost"
    return parts.port or DEFAULT_PORT if is_here else DEFAULT_PORT


def _require_file(path: Path) -> Path:
    if not path.is_file():
        raise PfnError(Code.CONFIG_INVALID, f"There is no file {path}.")
    return path


publisher_release.register(app)
publisher_keys.register(app)
