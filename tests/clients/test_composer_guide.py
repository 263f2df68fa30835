"""The commands in docs/composer.md, run as they stand there, but for the addresses."""

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.composer import Project
from tests.support.mesh import follow
from tests.support.network import ServedNode, serve_node
from tests.support.node import PFN
from tests.support.tools import needs_tool

from pfn.testing.publisher_v2 import FakePublisherV2

pytestmark = [pytest.mark.slow, pytest.mark.clients, needs_tool("composer"), needs_tool("curl")]

GUIDE = Path(__file__).parents[2] / "docs" / "composer.md"


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "node") as node:
        yield node


async def test_the_commands_in_the_guide(tmp_path: Path, node: ServedNode, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"```sh\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) == 2
    async with FakePublisherV2("alice") as alice:
        content = alice.add_plugin("calm-gallery", "1.0.0")
        alice.files["/alice.pem"] = alice.public_key_pem.encode()
        source = await follow(node, alice)
        script = "\n".join(["set -euo pipefail", *blocks])
        for here, there in {
            "https://plugins.example.org": node.url,
            "https://alice.example": alice.url,
            "alice@alice.example": source,
        }.items():
            assert here in script
            script = script.replace(here, there)
        monkeypatch.setenv("PATH", f"{Path(PFN).parent}:{os.environ['PATH']}")
        project = Project.create(tmp_path, "")
        said = await project.shell(["bash", "-c", script])
    assert "No security vulnerability advisories found" in said
    made = project.path / "my-site"
    assert (made / "calm-gallery.zip").read_bytes() == content
    # Where the package that puts plugins in their place cannot be fetched, they are among the libraries.
    assert (made / "vendor/alice/calm-gallery/calm-gallery.php").exists()
