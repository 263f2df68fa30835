"""``pfn status`` tells a person and a program how a node stands."""

import json
import os
import subprocess
from pathlib import Path

from tests.support.node import PFN, RunningNode, run_node


def status(node: RunningNode, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environment = {**os.environ, "PFN_NODE": node.url, "PFN_KEY": node.admin_key, "COLUMNS": "200"}
    return subprocess.run([PFN, "status", *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_running_node_is_told_on_one_screen(node: RunningNode) -> None:
    told = status(node)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("The node is ready.")
    assert len(told.stdout.splitlines()) < 25
    for word in ("database", "sources", "plugins", "work", "failures", "development only"):
        assert word in told.stdout
    report = json.loads(status(node, "--json").stdout)
    assert report["readiness"]["state"] == "ready"
    assert report["status"]["sources"]["total"] == 0


def test_a_node_that_cannot_serve_is_an_exit_code(tmp_path: Path) -> None:
    with run_node(tmp_path / "node") as node:
        (node.data / "blobs").rename(node.data / "elsewhere")
        told = status(node)
        assert told.returncode == 1
        assert "not ready" in told.stdout
        assert "failed" in told.stdout
        report = json.loads(status(node, "--json").stdout)
        assert (report["readiness"]["state"], report["status"]) == ("not_ready", None)
        (node.data / "elsewhere").rename(node.data / "blobs")


def test_a_folder_without_a_running_node_can_be_asked_too(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PFN_")}
    environment |= {"PFN_ADDRESS_LIMIT": "1", "PFN_KEY_LIMIT": "1"}  # who reads the folder is no caller to be limited
    data = tmp_path / "node"
    subprocess.run([PFN, "init", "--data", str(data)], env=environment, check=True, capture_output=True)
    told = subprocess.run(
        [PFN, "status", "--data", str(data)], env=environment, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, told.stderr
    assert told.stderr == ""
    assert "The node is ready." in told.stdout
