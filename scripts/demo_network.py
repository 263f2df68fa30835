"""The network, shown: two publishers and three nodes, of which one each is killed, and a site still gets its update.

Everything lives in .demo-network and begins anew at each start. With --once it exits when all is shown; the exit code
is 1 where something does not hold.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from demo import PFN, ROOT, DemoError, await_answer, call, call_json, find_port, step

from pfn.publisher.pack import pack_folder

DEMO = ROOT / ".demo-network"
EXAMPLES = ROOT / "examples" / "plugins"
OLD, NEW = "1.0.0", "1.1.0"
PATIENCE_S = 120
STOP_S = 20


@dataclass
class Server:
    """A process of this demo: started, killed, started again, and ended with the demo."""

    name: str
    arguments: tuple[str, ...]
    url: str
    environment: dict[str, str]
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        print(f"  $ pfn {' '.join(self.arguments).replace(f'{ROOT}/', '')}", flush=True)
        log = DEMO / f"{self.name}.log"
        with log.open("a") as output:
            self.process = subprocess.Popen(
                [PFN, *self.arguments],
                env={**os.environ, **self.environment},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        await_answer(self.process, self.url, log)

    def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        print(f"  {self.name} (process {self.process.pid}) is killed", flush=True)
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it, if it runs."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class DemoPublisher(Server):
    """A publisher with some of the example plugins."""

    def __init__(self, name: str, slugs: Sequence[str], port: int) -> None:
        self.folder = DEMO / name
        self.slugs = slugs
        self.source = f"{name}@127.0.0.1:{port}"
        super().__init__(
            name, ("publisher", "serve", str(self.folder), "--port", str(port)), f"http://127.0.0.1:{port}", {}
        )

    def create(self) -> None:
        """Make its key and folder, with the old version of each plugin, and serve it."""
        call("publisher", "init", str(self.folder), "--username", self.name, "--public-url", self.url)
        self.release(OLD)
        self.start()

    def release(self, version: str) -> None:
        """Release this version of each of its plugins, signed."""
        zips = DEMO / "zips"
        zips.mkdir(exist_ok=True)
        packed = [pack_folder(EXAMPLES / slug / version / slug, zips / f"{slug}.{version}.zip") for slug in self.slugs]
        call("publisher", "add", str(self.folder), *map(str, packed))


class DemoNode(Server):
    """A node with an admin key."""

    def __init__(self, name: str, port: int) -> None:
        self.master_key = secrets.token_urlsafe(32)
        self.admin_key = ""
        super().__init__(
            name,
            ("serve", "--data", str(DEMO / name), "--port", str(port)),
            f"http://127.0.0.1:{port}",
            {
                "PFN_MASTER_KEY": self.master_key,
                "PFN_NODE_NAME": name,
                "PFN_OPERATOR": f"Operator of {name}",
                "PFN_ALLOW_LOOPBACK": "true",
                "PFN_ACCEPT_PEER_SOURCES": "true",
                "PFN_WITNESS_QUORUM": "1",
                "PFN_SYNC_EVERY": "5",
                "PFN_PROBE_EVERY": "5",
            },
        )

    def create(self) -> None:
        """Start it for the first time and make an admin key with its master key."""
        self.start()
        master = {"PFN_NODE": self.url, "PFN_KEY": self.master_key}
        self.admin_key = call_json("key", "create", "demo", environment=master)["key"]

    def call(self, *arguments: str) -> None:
        """Show a command that is sent to this node, and run it."""
        call(*arguments, "--node", self.url, environment={"PFN_KEY": self.admin_key})

    def ask(self, *arguments: str) -> Any:
        """Run a command without showing it and give its JSON."""
        return call_json(*arguments, environment={"PFN_NODE": self.url, "PFN_KEY": self.admin_key})

    def state(self) -> dict[str, Any]:
        """Give the digest over what it holds, and how many releases that are."""
        with urlopen(f"{self.url}/federation/state", timeout=10) as answer:
            held: dict[str, Any] = json.load(answer)
        return held

    def meet(self, other: "DemoNode") -> None:
        """Make both peers of each other: this one adds, the other's operator accepts."""
        self.call("peer", "add", other.url)
        other.call("peer", "accept", str(other.peer_id(self)))

    def peer_id(self, other: Server) -> int:
        """Give the number another node has here."""
        return next(int(row["id"]) for row in self.ask("peer", "list") if row["url"] == other.url)

    def offers(self, slug: str, version: str) -> bool:
        """Tell whether this is the version a site is offered."""
        found = [row["version"] for row in self.ask("plugins")["plugins"] if row["plugin_id"] == slug]
        return found == [version]


def main() -> int:
    """Run the demo; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="exit 0 when everything was shown")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    shutil.rmtree(DEMO, ignore_errors=True)
    DEMO.mkdir(mode=0o700)
    try:
        with ExitStack() as servers:
            show(servers, once=once)
    except DemoError as error:
        print(f"\ndemo-network: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. The next start begins anew.")
    return 0


def show(servers: ExitStack, *, once: bool) -> None:
    """Go through the steps; unless ``once``, keep everything running until Ctrl-C."""
    first = DemoPublisher("first-author", ("plain-cookie-notice", "plain-reading-time"), find_port(8201))
    second = DemoPublisher("second-author", ("plain-maintenance-page",), find_port(8202))
    a, b, c = nodes = [DemoNode(f"node-{letter}", find_port(8210 + at)) for at, letter in enumerate("abc")]
    for server in (first, second, *nodes):
        servers.callback(server.stop)

    step("Two publishers, each with a key and plugins of its own")
    first.create()
    second.create()

    step("Three nodes, each with an admin key of its own, that the commands below carry in PFN_KEY")
    for node in nodes:
        node.create()

    step("They become peers of each other: one operator adds, both nodes prove their keys, the other operator accepts")
    for one, other in combinations(nodes, 2):
        one.meet(other)

    step("The first publisher registers at node A alone, the second at node B alone")
    for node, publisher in ((a, first), (b, second)):
        node.call("source", "add", publisher.url, "--username", publisher.name, "--yes")
        node.call("subscribe", publisher.source)
    pin = next(row["public_key"] for row in a.ask("source", "list") if row["id"] == first.source)

    step("Each node reads its peers' logs and takes what it lacks, until all three hold the same")
    print("  It does so by itself every few minutes; here it is told to: pfn peer sync ID", flush=True)
    show_same(nodes)
    c.call("peer", "list")
    c.call("plugins", "--sort", "name")

    step("Each one's log is witnessed by the two others")
    for node in nodes:
        show_witnessed(node, len(nodes) - 1)
    a.call("log", "show")

    step("The first publisher releases new versions; node A takes them, the others hear of it from A")
    first.release(NEW)
    a.call("sync", first.source)
    show_same(nodes)

    step("The first publisher and node A are gone")
    first.kill()
    a.kill()

    step("A site that knows node C alone can still update")
    slug = first.slugs[0]
    require(c.offers(slug, NEW), f"node-c does not offer {slug} {NEW}")
    update = DEMO / f"{slug}.{NEW}.zip"
    c.call("download", first.source, slug, "-o", str(update))

    step("It is what the publisher signed: proven offline, without the publisher and without node A")
    proof, policy = DEMO / "proof.json", DEMO / "policy.txt"
    policy.write_text(c.ask("log", "show")["policy"])
    print(
        "  policy.txt wants node C's log, with one other operator behind it; the pin is the publisher's root key.",
        flush=True,
    )
    check = ("verify", "--bundle", str(proof), str(update), "--policy", str(policy), "--pin", pin)
    await_true("no other operator witnessed the new release", lambda: is_proven(c, first.source, slug, proof, check))
    call("proof", first.source, slug, NEW, "-o", str(proof), "--node", c.url)
    call(*check)
    forged = DEMO / "forged.zip"
    forged.write_bytes(update.read_bytes() + b"\0")
    require(
        not succeeds("verify", "--bundle", str(proof), str(forged), "--policy", str(policy), "--pin", pin),
        "a zip with one byte more was taken for the release",
    )
    print("  The same zip with one byte more is refused.", flush=True)

    step("Life goes on meanwhile: the second publisher releases, B and C take it")
    second.release(NEW)
    b.call("sync", second.source)
    show_same([b, c])

    step("Node A comes back and catches up")
    a.start()
    show_same(nodes)
    require(a.offers(second.slugs[0], NEW), "node-a does not offer what came while it was away")

    step("All of it holds: each node's log, with every tree that it ever signed")
    for node in nodes:
        call("log", "check", "--data", str(DEMO / node.name))
    if once:
        return

    step("The three nodes and the second publisher are running")
    for node in nodes:
        print(f"  {node.name}  {node.url}/    sign in with: {node.admin_key}")
    print("\n  Ctrl-C ends it.", flush=True)
    while True:
        signal.pause()


def show_same(nodes: Sequence[DemoNode]) -> None:
    """Have every node read its peers among these until all hold the same, and show what that is."""

    def exchange() -> bool:
        for node, other in ((node, other) for node in nodes for other in nodes if node is not other):
            node.ask("peer", "sync", str(node.peer_id(other)))
        return len({node.state()["digest"] for node in nodes}) == 1

    await_true("the nodes do not come to hold the same", exchange)
    for node in nodes:
        held = node.state()
        print(f"  {node.name}: {held['count']} releases, state {held['digest']}", flush=True)


def show_witnessed(node: DemoNode, of: int) -> None:
    """Wait until so many witnesses have cosigned all of a node's log; they are asked soon after it grew."""
    await_true(f"{node.name}'s log is not witnessed", lambda: count_witnesses(node) == of)
    print(f"  {node.name}: witnessed {of} of {of}", flush=True)


def count_witnesses(node: DemoNode) -> int:
    """Count the witnesses that have cosigned all of a node's log."""
    shown = node.ask("log", "show")
    return sum(one["cosigned_size"] == shown["size"] for one in shown["witnesses"])


def is_proven(node: DemoNode, source: str, slug: str, proof: Path, check: Sequence[str]) -> bool:
    """Fetch a release's proof and tell whether it holds by now: a witness may take half a minute."""
    return succeeds("proof", source, slug, NEW, "-o", str(proof), "--node", node.url) and succeeds(*check)


def succeeds(*arguments: str) -> bool:
    """Tell whether a command does, without showing it."""
    return subprocess.run([PFN, *arguments], check=False, capture_output=True).returncode == 0


def await_true(trouble: str, holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        require(time.monotonic() < deadline, f"{trouble} after {PATIENCE_S} seconds")
        time.sleep(1)


def require(holds: bool, trouble: str) -> None:
    """End the demo where something does not hold."""
    if not holds:
        raise DemoError(trouble)


if __name__ == "__main__":
    sys.exit(main())
