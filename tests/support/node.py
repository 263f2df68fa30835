"""A real node: ``pfn serve`` in a process of its own, spoken to over HTTP."""

import os
import re
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from tests.support.rows import place_rows

# Wide lines, so that what is read from them does not wrap; no limits where a module's tests ask by the hundred.
_SETTINGS = {
    "COLUMNS": "300",
    "PFN_BAD_KEY_LIMIT": "0",
    "PFN_ADDRESS_LIMIT": "0",
    "PFN_KEY_LIMIT": "0",
    "PFN_WORK": "0",
}
PFN = str(Path(sys.executable).with_name("pfn"))


@dataclass
class RunningNode:
    """A node that answers. ``api`` carries an admin key, ``public`` none, ``master`` the master key."""

    process: "subprocess.Popen[str]"
    data: Path
    url: str
    master_key: str
    admin_key: str = ""
    clients: list[httpx.Client] = field(default_factory=list)

    def client(self, key: str | None = None) -> httpx.Client:
        """Give a client that carries a key."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        made = httpx.Client(base_url=self.url, headers=headers, timeout=30)
        self.clients.append(made)
        return made

    def async_client(self, key: str | None = None) -> httpx.AsyncClient:
        """Give a client for tests that serve something themselves; by default with the admin key."""
        key = self.admin_key if key is None else key
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return httpx.AsyncClient(base_url=self.url, headers=headers, timeout=60)

    @property
    def api(self) -> httpx.Client:
        """A client with the admin key."""
        return self.client(self.admin_key)

    def create_key(self, kind: str = "admin", **body: Any) -> dict[str, Any]:
        """Make a key with the master key."""
        answer = self.client(self.master_key).post(
            f"/federation/create-{kind}-key", json={"description": "test", **body}
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def kill(self) -> None:
        """End the node as a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def start_node(data: Path, *arguments: str, environment: dict[str, str] | None = None) -> RunningNode:
    """Start a node and wait until it listens."""
    master_key = secrets.token_urlsafe(32)
    place_rows(data)
    process = subprocess.Popen(
        [PFN, "serve", "--data", str(data), "--port", "0", "--allow-loopback", *arguments],
        env={
            **os.environ,
            "PFN_MASTER_KEY": master_key,
            **_SETTINGS,
            **(environment or {}),
        },
        stdout=subprocess.PIPE,
        stderr=(data.parent / f"{data.name}.log").open("a"),
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        found = re.match(r"Listening on (\S+)", line)
        if found:
            return RunningNode(process, data, found[1], (environment or {}).get("PFN_MASTER_KEY", master_key))
    process.wait()
    raise AssertionError(f"the node did not start: {(data.parent / f'{data.name}.log').read_text()[-3000:]}")


@contextmanager
def run_node(data: Path, *arguments: str, environment: dict[str, str] | None = None) -> Iterator[RunningNode]:
    """Run a node with an admin key until the block ends."""
    node = start_node(data, *arguments, environment=environment)
    try:
        node.admin_key = node.create_key()["key"]
        yield node
    finally:
        for client in node.clients:
            client.close()
        if node.process.poll() is None:
            node.process.terminate()
            node.process.wait(20)
        assert node.process.stdout is not None
        node.process.stdout.close()
