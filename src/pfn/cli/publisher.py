"""``pfn publisher``: init, serve. Turns a folder of plugin zips into a publisher."""

import ipaddress
import shlex
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import typer

from pfn.cli.options import Json
from pfn.cli.output import say, show_facts, show_json
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.source_id import normalize_instance_url

DEFAULT_PORT: Final = 8100

app = typer.Typer(
    help="Publish your own plugins: from a folder of zips to a source that nodes can mirror.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The publisher's folder.")]


@app.command("init")
def init(
    folder: Folder,
    username: Annotated[str, typer.Option("--username", "-u", help="Your name in every address; it cannot change.")],
    website: Annotated[str | None, typer.Option(help="Your website, https://…")] = None,
    github: Annotated[str | None, typer.Option(help="Your name on GitHub.")] = None,
    twitter: Annotated[str | None, typer.Option(help="Your name on Twitter.")] = None,
    public_url: Annotated[str | None, typer.Option(help="Where nodes will reach you, https://…")] = None,
    as_json: Json = False,
) -> None:
    """Make a publisher: its settings and its key. What is there already is never overwritten.

    Example: pfn publisher init my-plugins --username alice --website https://alice.example
    """
    from pfn.publisher.folder import create_folder
    from pfn.publisher.profile import read_profile

    values = {
        "username": username,
        "member_since": datetime.now(UTC).date(),
        "website": website,
        "github": github,
        "twitter": twitter,
        "public_url": public_url,
    }
    made = create_folder(folder, read_profile(values, "Your options"))
    key = made.key.public_key
    next_command = f"pfn publisher serve {shlex.quote(str(folder))}"
    if as_json:
        show_json(
            {
                "folder": str(made.path),
                "username": username,
                "settings_file": str(made.settings_file),
                "key_file": str(made.key_file),
                "public_key": key.pem,
                "fingerprint": key.fingerprint,
                "next": next_command,
            }
        )
        return
    show_facts(
        [
            ("publisher", username),
            ("settings", made.settings_file),
            ("private key", made.key_file),
            ("fingerprint", key.fingerprint),
        ]
    )
    say(f"\n{key.pem}")
    say("Keep the private key secret, and a copy of it. Put your plugin zips into the folder's plugins folder. Next:")
    typer.echo(f"  {next_command}")


@app.command("serve")
def serve(
    folder: Folder,
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port; 0 takes any free one.", min=0, max=65535)] = DEFAULT_PORT,
    public_url: Annotated[
        str | None, typer.Option(help="Where nodes reach you; by default as in publisher.toml, else http://host:port.")
    ] = None,
) -> None:
    """Serve the zips in a folder until Ctrl-C. Zips that come later are published without a restart.

    Example: pfn publisher serve my-plugins --public-url https://plugins.example.com
    """
    from pfn.cli.listen import open_listener, serve_app
    from pfn.cli.log import configure_logging
    from pfn.publisher.documents import Publisher
    from pfn.publisher.folder import open_folder
    from pfn.publisher.library import Library
    from pfn.publisher.server import build_app

    opened = open_folder(folder)
    configure_logging("console", "info")
    with open_listener(host, port) as listener:
        url = _find_url(public_url or opened.profile.public_url, listener)
        publisher = Publisher(opened.profile, opened.key, url)
        library = Library(opened.path)
        catalog = library.look()
        show_facts(
            [
                ("source", publisher.source_id),
                ("fingerprint", opened.key.public_key.fingerprint),
                ("plugins", len(catalog.plugins)),
                ("releases", sum(len(plugin.zips) for plugin in catalog.plugins)),
                ("zips left out", len(catalog.left_out)),
            ]
        )
        typer.echo(f"Listening on {url}")
        serve_app(build_app(publisher, library), listener)


def _find_url(public_url: str | None, listener: socket.socket) -> str:
    """Give the instance URL, one spelling; without a public one it is the address listened on."""
    if public_url is None:
        host, port = listener.getsockname()[:2]
        address = ipaddress.ip_address(host)
        if address.is_unspecified:
            raise PfnError(
                Code.CONFIG_INVALID, "Listening on every address, say at which one nodes reach you: --public-url"
            )
        public_url = f"http://[{host}]:{port}" if address.version > 4 else f"http://{host}:{port}"
    try:
        return normalize_instance_url(public_url)
    except PfnError as error:
        raise PfnError(Code.CONFIG_INVALID, f"--public-url: {error.detail}") from error
