"""``pfn activity`` against a real node: filters, the audit trail, the live tail."""

import json
import select
import subprocess
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from tests.support.node import PFN, RunningNode


def pfn(node: RunningNode, *arguments: str, key: str | None = None) -> "subprocess.CompletedProcess[str]":
    """Run ``pfn activity`` on the node."""
    command = [PFN, "activity", *arguments, "--node", node.url, "--key", node.admin_key if key is None else key]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def rows(node: RunningNode, *arguments: str) -> list[dict[str, Any]]:
    done = pfn(node, "--json", *arguments)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)["activities"]
    return found


def test_filters_reach_the_node(node: RunningNode) -> None:
    made = node.create_key(description="for the trail")
    today = datetime.now().astimezone().date()
    tomorrow = (today + timedelta(days=2)).isoformat()
    assert rows(node, "--action", "key_created")[0]["details"]["key_id"] == made["id"]
    assert rows(node, "--audit", "--limit", "1")[0]["private"] is True
    assert rows(node, "--kind", "federation_event", "--kind", "version_update", "--until", tomorrow)
    for nothing in (
        ("--kind", "health_change"),
        ("--source", "nobody@nowhere.example"),
        ("--plugin", "no-such"),
        ("--since", tomorrow),
        ("--until", f"{today - timedelta(days=2)}T10:30"),
    ):
        assert rows(node, *nothing) == []
        assert "Nothing matches." in pfn(node, *nothing).stdout
    refused = pfn(node, "--audit", key=node.create_key("subscriber")["key"])
    assert refused.returncode == 1
    assert "scope_missing" in refused.stderr
    assert pfn(node, "--kind", "gossip").returncode == 2
    assert pfn(node, "--since", "yesterday").returncode == 2


def test_following_shows_what_happens(node: RunningNode) -> None:
    command = [PFN, "activity", "--follow", "--json", "--audit", "--node", node.url, "--key", node.admin_key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            # Until it listens nothing is heard; what is heard is what happened since.
            heard: dict[str, Any] = {}
            made: set[str] = set()
            while not heard:
                made.add(node.create_key(description="again")["id"])
                heard = _read_line(process) or {}
            assert heard["details"]["key_id"] in made
            last = node.create_key(description="last")["id"]
            while heard["details"]["key_id"] != last:
                heard = json.loads(process.stdout.readline())
        finally:
            process.terminate()


def _read_line(process: "subprocess.Popen[str]") -> dict[str, Any] | None:
    """Give the next line where one comes soon."""
    assert process.stdout is not None
    ready, _, _ = select.select([process.stdout], [], [], 0.5)
    return json.loads(process.stdout.readline()) if ready else None


def test_a_data_folder_cannot_be_followed(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    assert subprocess.run([PFN, "init", "--data", str(folder)], capture_output=True, check=False).returncode == 0
    done = subprocess.run(
        [PFN, "activity", "--follow", "--data", str(folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 3
    assert "--node" in done.stderr


def test_following_begins_now(node: RunningNode) -> None:
    done = pfn(node, "--follow", "--since", "2026-01-01")
    assert done.returncode == 2
    assert "--follow" in done.stderr
