"""The main job, shown: a publisher with real plugins, a node that registers, proves, mirrors and verifies them.

Everything lives in .demo; a second start goes on with what is there. With --once it exits when all is shown.
"""

import argparse
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from pfn.publisher.pack import pack_folder

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
PUBLISHER, NODE = DEMO / "publisher", DEMO / "node"
PFN = str(Path(sys.executable).with_name("pfn"))
AUTHOR = "demo-author"
START_S = 60


class DemoError(Exception):
    """The demo cannot go on."""


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="exit 0 when everything was shown")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        show(once=once)
    except DemoError as error:
        print(f"\ndemo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next start goes on from here; begin anew with: rm -r .demo")
    return 0


def show(*, once: bool) -> None:
    """Go through the steps; unless ``once``, keep both servers running until Ctrl-C."""
    state = load_state()
    publisher_url = f"http://127.0.0.1:{state['publisher_port']}"
    node_url = f"http://127.0.0.1:{state['node_port']}"
    source = f"{AUTHOR}@127.0.0.1:{state['publisher_port']}"
    environment = {**os.environ, "PFN_MASTER_KEY": state["master_key"]}

    step("A publisher: a key and a folder of plugin zips")
    if not (PUBLISHER / "publisher.toml").exists():
        call("publisher", "init", str(PUBLISHER), "--username", AUTHOR, "--public-url", publisher_url)
    publish("1.0.0")
    with (
        serving("publisher", "serve", str(PUBLISHER), "--port", str(state["publisher_port"]), at=publisher_url),
        serving(
            *("serve", "--data", str(NODE), "--port", str(state["node_port"]), "--allow-loopback"),
            at=node_url,
            environment=environment,
        ),
    ):
        step("A node, and an admin key made with its master key")
        if "admin_key" not in state:
            master = {"PFN_NODE": node_url, "PFN_KEY": state["master_key"]}
            state["admin_key"] = call_json("key", "create", "demo", environment=master)["key"]
            save_state(state)
        admin = {"PFN_NODE": node_url, "PFN_KEY": state["admin_key"]}

        step("Register the publisher: it must prove that it holds its key")
        rows = call_json("source", "list", environment=admin)
        if any(row["id"] == source for row in rows):
            call("source", "verify", source, environment=admin)
        else:
            call("source", "add", publisher_url, "--username", AUTHOR, "--yes", environment=admin)
            rows = call_json("source", "list", environment=admin)
        pin = next(row["public_key"] for row in rows if row["id"] == source)

        step("Subscribe: list, fetch, check signatures and zips, store")
        call("subscribe", source, environment=admin)

        step("The publisher releases new versions; the next sync takes them")
        publish("1.1.0")
        call("sync", source, environment=admin)
        call("plugins", "--sort", "name", environment=admin)

        step("Verify what is stored: bytes against digests, signature against the key")
        for plugin in call_json("plugins", environment=admin)["plugins"]:
            call("verify", plugin["source_id"], plugin["plugin_id"], environment=admin)

        step("Verify a download without trusting the node: the publisher's own documents, its registered key")
        plugin = call_json("plugins", environment=admin)["plugins"][0]
        download = DEMO / "download.zip"
        call("download", source, plugin["plugin_id"], "-o", str(download), environment=admin)
        call("verify", str(download), "--source", source, "--key", pin)

        step("What happened, newest first")
        call("activity", "--limit", "12", environment=admin)

        step("Everything is running")
        print(f"  node        {node_url}/            sign in with: {state['admin_key']}")
        print(f"  API         {node_url}/docs        {node_url}/openapi.json")
        print(f"  plugins     {node_url}/federation/plugins")
        print(f"  publisher   {publisher_url}/")
        show_views(node_url, source, plugin["plugin_id"])
        if once:
            return
        print("\n  Ctrl-C ends it.")
        if sys.stdout.isatty():
            webbrowser.open(node_url)
        while True:
            signal.pause()


def show_views(node_url: str, source: str, slug: str) -> None:
    """Print where each kind of client finds the plugins, as asked in this moment: an address that fails ends it."""
    author = source.partition("@")[0]
    views = {
        "site helper": f"/wordpress/pfn-site.php?plugins={slug}",
        "update check": "/plugins/update-check/1.1/",
        "information": f"/plugins/info/1.2/?action=plugin_information&request[slug]={slug}",
        "search": "/plugins/info/1.2/?action=query_plugins",
        "zip": f"/dl/{source}/{slug}/{slug}.1.1.0.zip",
        "signature": f"/dl/{source}/{slug}/{slug}.1.1.0.zip.sig",
        "PUC": f"/puc/{source}/{slug}.json",
        "MPP": f"/mpp/{author}/{slug}/{slug}.json",
        "Composer": "/composer/packages.json",
    }
    step("What clients ask")
    for name, path in views.items():
        # A site posts what it has; one that has nothing is answered too.
        body = b"" if name == "update check" else None
        with urlopen(node_url + path, body, timeout=START_S):
            print(f"  {name:<13} {node_url}{path}")


def publish(version: str) -> None:
    """Release this version of every example plugin, signed; what is released already is left as it is."""
    fresh = []
    for folder in sorted((ROOT / "examples" / "plugins").glob(f"*/{version}/*/")):
        target = DEMO / "zips" / f"{folder.name}.{version}.zip"
        target.parent.mkdir(exist_ok=True)
        if not target.exists():
            fresh.append(str(pack_folder(folder, target)))
    if fresh:
        call("publisher", "add", str(PUBLISHER), *fresh)


def step(title: str) -> None:
    """Print a heading."""
    print(f"\n\033[1m{title}\033[0m" if sys.stdout.isatty() else f"\n== {title}", flush=True)


def call(*arguments: str, environment: dict[str, str] | None = None) -> None:
    """Show a command and run it; a failure ends the demo."""
    print(f"  $ pfn {' '.join(show_argument(one) for one in arguments)}", flush=True)
    done = subprocess.run([PFN, *arguments], env={**os.environ, **(environment or {})}, check=False)
    if done.returncode != 0:
        raise DemoError(f"pfn {' '.join(arguments)} failed with exit code {done.returncode}")


def show_argument(text: str) -> str:
    """Write an argument as a person would type it: quoted, relative to this folder, a key in short."""
    if text.startswith("-----BEGIN"):
        return "'-----BEGIN PUBLIC KEY-----…'"
    return shlex.quote(text.replace(f"{ROOT}/", ""))


def call_json(*arguments: str, environment: dict[str, str]) -> Any:
    """Run a command with --json and give what it printed."""
    done = subprocess.run(
        [PFN, *arguments, "--json"],
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise DemoError(f"pfn {' '.join(arguments)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


@contextmanager
def serving(*arguments: str, at: str, environment: dict[str, str] | None = None) -> Iterator[None]:
    """Run a server until the block ends."""
    print(f"  $ pfn {' '.join(arguments)}", flush=True)
    log = DEMO / f"{arguments[0]}.log"
    with log.open("a") as output:
        server = subprocess.Popen(
            [PFN, *arguments], env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        await_answer(server, at, log)
        yield
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def await_answer(server: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise DemoError(f"a server ended at once; {log} says why:\n{log.read_text()[-2000:]}")
        try:
            with urlopen(url, timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise DemoError(f"nothing answers at {url} after {START_S} seconds; see {log}")


def load_state() -> dict[str, Any]:
    """Give the ports and keys of the demo, made at the first start."""
    DEMO.mkdir(mode=0o700, exist_ok=True)
    path = DEMO / "state.json"
    if path.exists():
        state: dict[str, Any] = json.loads(path.read_text())
        return state
    state = {
        "node_port": find_port(8080),
        "publisher_port": find_port(8100),
        "master_key": secrets.token_urlsafe(32),
    }
    save_state(state)
    return state


def save_state(state: dict[str, Any]) -> None:
    """Keep the ports and keys."""
    path = DEMO / "state.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(state, indent=2))


def find_port(wanted: int) -> int:
    """Give the wanted port, or any free one where it is taken."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no free port on this machine")


if __name__ == "__main__":
    sys.exit(main())
