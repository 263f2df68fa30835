"""``pfn key``, against a real node: a key gives away no more than it has, and the command says what it lacks."""

import os
import subprocess

from tests.support.node import PFN, RunningNode


def pfn(node: RunningNode, key: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against the node."""
    environment = {**os.environ, "COLUMNS": "300", "PFN_NODE": node.url, "PFN_KEY": key}
    return subprocess.run([PFN, *arguments], env=environment, capture_output=True, text=True, check=False)


def test_a_key_is_given_no_scope_that_its_maker_lacks(node: RunningNode) -> None:
    key = node.create_key(scopes=["keys:admin", "sources:read"])["key"]
    refused = pfn(node, key, "key", "create", "more", "--scope", "sources:write")
    assert refused.returncode == 1
    assert "cannot be given what yours lacks: sources:write" in refused.stderr
    made = pfn(node, key, "key", "create", "less", "--scope", "sources:read")
    assert made.returncode == 0, made.stderr
    assert "scopes: sources:read" in made.stdout
