"""The systemd units: as closed as they say, and about commands and settings that there are."""

import ctypes
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from tests.support.node import PFN, run_node
from tests.support.tools import needs_tool
from tests.web.api.conftest import Api

from pfn.cli.main import app
from pfn.settings import Settings
from pfn.testing.publisher import FakePublisher

DEPLOY = Path(__file__).parents[2] / "deploy"
PAGE = DEPLOY.parent / "docs" / "deploy.md"
UNITS = ["pfn.service", "pfn-work.service"]
# Of ten, ten being wide open; docs/deploy.md gives the rating as it is.
MOST_EXPOSED = 1.2


@needs_tool("systemd-analyze")
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_closed(unit: str) -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(DEPLOY / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"exposure level for \S+: (\d+\.\d+)", done.stdout)
    assert found, done.stdout + done.stderr
    assert float(found[1]) <= MOST_EXPOSED
    assert f"{MOST_EXPOSED} of 10" in PAGE.read_text(encoding="utf-8")


def lines(unit: str) -> list[tuple[str, str]]:
    text = (DEPLOY / unit).read_text(encoding="utf-8")
    found = re.findall(r"^#?([A-Z]\w+)=(.*)$", text, re.MULTILINE)
    return [(str(name), str(value)) for name, value in found]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_names_what_there_is(unit: str) -> None:
    given = lines(unit)
    [start] = [value for name, value in given if name == "ExecStart"]
    _, name, *words = start.split()
    group = typer.main.get_command(app)
    command = group.commands[name]  # type: ignore[attr-defined]
    command.make_context(name, words, resilient_parsing=False)
    variables = {value.partition("=")[0] for name, value in given if name == "Environment"}
    known = {f"PFN_{field.upper()}" for field in Settings.model_fields} | {"PFN_CONFIG", "PFN_SECRETS_DIR"}
    assert {one for one in variables if one.startswith("PFN_")} <= known
    secrets = {value.partition(":")[0] for name, value in given if name == "LoadCredential"}
    assert secrets
    assert secrets <= Settings.model_fields.keys()


def test_the_units_differ_in_nothing_that_closes_them() -> None:
    own = {"Description", "After", "ExecStart", "LimitNOFILE"}
    node, work = ([one for one in lines(unit) if one[0] not in own] for unit in UNITS)
    assert node == work


_DENY = """
import ctypes, os, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0) != 0:  # PR_SET_MDWE, as MemoryDenyWriteExecute= does
    sys.exit(3)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.grown
@pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")
async def test_the_node_needs_no_memory_that_is_written_and_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MemoryDenyWriteExecute: a node and its judges of zips do all their work without."""
    if ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) < 0:
        pytest.skip("this kernel cannot deny it outside of systemd")
    program = tmp_path / "pfn"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{_DENY}' {PFN} \"$@\"\n")
    program.chmod(0o755)
    monkeypatch.setattr("tests.support.node.PFN", str(program))
    with run_node(tmp_path / "node") as node:
        async with FakePublisher("alice") as publisher, node.async_client() as http:
            publisher.add_plugin("hello", "1.0")
            api = Api(http)
            source = await api.add(publisher)
            assert (await api.post("subscribe", sourceId=source)).status_code == 200
            [plugin] = (await api.get("plugins", source=source))["plugins"]
            assert plugin["version"] == "1.0"
