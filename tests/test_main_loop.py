"""The seed's whole main loop on real plugins: a real publisher, a real node, the command line between them."""

import hashlib
import json
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import PFN, RunningNode
from tests.support.real_plugins import RealPlugin


def pfn(*arguments: str, node: RunningNode, code: int = 0) -> Any:
    """Run a command against the node and give what it prints as JSON."""
    environment = {**os.environ, "PFN_NODE": node.url, "PFN_KEY": node.admin_key}
    done = subprocess.run([PFN, *arguments, "--json"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if done.stdout else done.stderr


@contextmanager
def publishing(folder: Path, url: str) -> Iterator[None]:
    """Run ``pfn publisher serve`` at an address."""
    server = subprocess.Popen(
        [PFN, "publisher", "serve", str(folder), "--port", url.rpartition(":")[2]],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "COLUMNS": "300"},
    )
    assert server.stdout is not None
    try:
        next(line for line in server.stdout if line.startswith("Listening on"))
        yield
    finally:
        server.terminate()
        server.wait(20)
        server.stdout.close()


def test_real_plugins_go_from_a_publishers_folder_to_a_download(
    node: RunningNode, real_plugins: list[RealPlugin], tmp_path: Path
) -> None:
    folder = tmp_path / "publisher"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    for command in (
        ["init", str(folder), "--username", "debian", "--public-url", url],
        ["add", str(folder), *(str(plugin.zip) for plugin in real_plugins)],
    ):
        subprocess.run([PFN, "publisher", *command], check=True, capture_output=True)
    with publishing(folder, url):
        added = pfn("source", "add", url, "--username", "debian", "--yes", node=node)
        source = added["source_id"]
        assert added["verification"]["result"] == "success"
        subscribed = pfn("subscribe", source, node=node)
        assert subscribed["syncResult"]["mirroredCount"] == len(real_plugins)
        assert pfn("sync", source, node=node)["wanted"] == 0
    # The publisher is gone; what it published is not.
    listed = {row["plugin_id"]: row for row in pfn("plugins", "--source", source, node=node)["plugins"]}
    assert set(listed) == {plugin.slug for plugin in real_plugins}
    for plugin in real_plugins:
        assert listed[plugin.slug]["version"] == plugin.version
        verdict = pfn("verify", source, plugin.slug, node=node)
        assert (verdict["valid"], verdict["signature_level"]) == (True, "artifact")
        got = pfn("download", source, plugin.slug, "-o", str(tmp_path / "got.zip"), node=node)
        content = plugin.zip.read_bytes()
        assert Path(got["file"]).read_bytes() == content
        assert got["sha256"] == hashlib.sha256(content).hexdigest()
    failed = pfn("source", "verify", source, node=node, code=1)
    assert failed["code"] == "source_unreachable"
    assert failed["source"]["status"] == "verified"


@pytest.mark.parametrize("arguments", [("source", "show", "nobody@nowhere.example"), ("verify", "a@b.example", "x")])
def test_a_refusal_is_one_sentence_and_exit_code_1(node: RunningNode, arguments: tuple[str, ...]) -> None:
    said = pfn(*arguments, node=node, code=1)
    assert said.startswith("error: ")
    assert said.count("\n") == 1
    assert "(source_unknown)" in said


def test_no_node_is_exit_code_3_and_no_folder_2(tmp_path: Path) -> None:
    base = {name: value for name, value in os.environ.items() if not name.startswith("PFN_")}
    for environment, code in (
        ({"PFN_NODE": "http://127.0.0.1:9", "PFN_KEY": "x"}, 3),
        ({"PFN_DATA": str(tmp_path / "none")}, 2),
    ):
        done = subprocess.run(
            [PFN, "source", "list"], env=base | environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert done.stderr.startswith("error: ")
