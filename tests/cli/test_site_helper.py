"""``pfn site-helper`` writes the file that the node makes."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from tests.support.mesh import follow
from tests.support.network import serve_node
from tests.support.node import PFN, RunningNode

from pfn.testing.publisher_v2 import FakePublisherV2


def make(url: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PFN_NODE": url, "COLUMNS": "200"}
    return subprocess.run(
        [PFN, "site-helper", *arguments], env=environment, capture_output=True, text=True, check=False
    )


async def test_it_is_what_the_node_gives_without_a_key(tmp_path: Path) -> None:
    async with FakePublisherV2() as alice, serve_node(tmp_path / "node") as node:
        alice.add_plugin("one", "1.0")
        await follow(node, alice)
        query = {"plugins": "one", "fallback": ["https://second.example", "https://third.example"]}
        given = await node.http.get("/wordpress/pfn-site.php", params=query)
        more = ("--fallback", "https://second.example", "--fallback", "https://third.example")
        printed = await asyncio.to_thread(make, node.url, "one", *more)
        assert (printed.returncode, printed.stdout) == (0, given.text)
        file = tmp_path / "pfn-site.php"
        written = await asyncio.to_thread(make, node.url, "--all", "-o", str(file))
        assert (written.returncode, written.stdout) == (0, f"{file}: put it into the site's wp-content/mu-plugins.\n")
        assert "'one' => array(" in file.read_text()


@pytest.mark.parametrize("arguments", [(), ("one", "--all")], ids=["nothing", "both"])
def test_what_is_wanted_must_be_said_once(node: RunningNode, arguments: tuple[str, ...]) -> None:
    refused = make(node.url, *arguments)
    assert refused.returncode == 2
    assert "Name the plugins, or say --all." in refused.stderr


def test_a_plugin_that_is_not_there_is_said(node: RunningNode) -> None:
    refused = make(node.url, "nobodys")
    assert refused.returncode == 1
    assert "No source speaks for a plugin 'nobodys' here." in refused.stderr
