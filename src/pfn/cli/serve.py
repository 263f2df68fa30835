"""Serve a node: bind, prepare, listen, drain."""

import gc
import sys
from dataclasses import replace
from typing import Final

from pfn.app import Prepared, begin_stop, build_app, prepare
from pfn.cli.listen import open_listener, serve_app
from pfn.cli.log import configure_logging
from pfn.cli.output import out
from pfn.settings import LoadedSettings

WORK_COMMAND: Final = (sys.executable, "-c", "from pfn.cli.work_process import main; main()")
"""Starts the other process. Not ``-m``: its main module would be loaded by each judge of zips too."""


def serve_node(loaded: LoadedSettings) -> None:
    """Serve until a signal ends it. Raises PfnError (``config_invalid``) where the port is taken."""
    settings = loaded.settings
    configure_logging(settings.log_format, settings.log_level)
    with open_listener(settings.host, settings.port) as listener:
        # Port 0 asks for any free one: what was given is what clients are told.
        settings = settings.model_copy(update={"port": listener.getsockname()[1]})
        prepared = replace(prepare(settings), origins=loaded.origins)
        greet(prepared)
        app = build_app(
            prepared,
            on_ready=lambda: _begin(settings.address),
            work_command=WORK_COMMAND,
        )
        serve_app(app, listener, on_stop=lambda: begin_stop(app))


def _begin(address: str) -> None:
    # What was made until now stays: it need not be gone through again and again, 0.1 s each time, while readers wait.
    gc.collect()
    gc.freeze()
    out.print(f"Listening on {address}", soft_wrap=True)


def greet(prepared: Prepared) -> None:
    """Print which node this is, and its master key if it was made just now."""
    settings = prepared.settings
    out.print(f"Node {prepared.identity.public_key.fingerprint} in {settings.data.resolve()}", soft_wrap=True)
    show_new_master_key(prepared)


def show_new_master_key(prepared: Prepared) -> None:
    """Print the master key if it was made just now."""
    if prepared.new_master_key is not None:
        out.print("\n[bold]The master key, shown this once. Keep it safe; it makes all other keys:[/bold]")
        out.print(f"\n  {prepared.new_master_key}\n", soft_wrap=True)
