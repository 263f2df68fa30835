"""The image and the compose file, as far as that can be told without anything that builds or runs them."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from tests.support.node import run_node
from tests.web.api.conftest import Api

from pfn.settings import Settings
from pfn.testing.publisher import FakePublisher

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
COMPOSE = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
KNOWN = {f"PFN_{field.upper()}" for field in Settings.model_fields} | {"PFN_SECRETS_DIR"}


def test_what_is_copied_is_there_and_nothing_else_is_sent() -> None:
    copied = re.findall(r"^COPY (?!--)(\S+) ", CONTAINERFILE, re.MULTILINE)
    assert set(copied) == {"requirements/node.txt", "src/pfn", "deploy/pfn"}
    for path in copied:
        assert (ROOT / path).exists(), path
    ignored = (DEPLOY / "Containerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    assert {line[1:] for line in ignored if line.startswith("!")} == set(copied)


def test_everything_is_pinned_hashed_and_nobody_is_root() -> None:
    assert "--require-hashes -r /build/node.txt" in CONTAINERFILE
    assert re.findall(r"^USER (.+)$", CONTAINERFILE, re.MULTILINE) == ["10001:10001"]
    # By plain name: which registry that is, is the operator's to say.
    images = re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE) + re.findall(
        r"^    image: (\S+)", COMPOSE, re.MULTILINE
    )
    assert images
    for image in images:
        name, _, tag = image.partition(":")
        assert "." not in name
        assert re.search(r"\d", tag), f"{image} names no version"


def test_the_settings_named_are_settings() -> None:
    named = set(re.findall(r"\bPFN_[A-Z0-9_]+", CONTAINERFILE + COMPOSE))
    assert named
    assert named <= KNOWN
    secrets = re.search(r"^  secrets: \[(.+)\]$", COMPOSE, re.MULTILINE)
    assert secrets
    assert set(secrets[1].split(", ")) <= Settings.model_fields.keys()


def test_no_process_shares_a_disk_that_it_writes_to() -> None:
    data = re.findall(r'"([a-z0-9-]+):/data"', COMPOSE)
    assert sorted(data) == ["serve-1", "serve-2", "work"]
    assert COMPOSE.count("./secrets/keys:/keys:ro") == len(data)
    assert "read_only: true" in COMPOSE
    assert "cap_drop: [ALL]" in COMPOSE


@pytest.mark.slow
def test_the_copied_source_is_all_the_command_needs(tmp_path: Path) -> None:
    """As in the image: a copy of src/pfn and the launcher, nothing built and nothing installed of the project."""
    shutil.copytree(ROOT / "src" / "pfn", tmp_path / "lib" / "pfn", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "lib"), "PFN_DATA": str(tmp_path / "data")}
    run = "runpy.run_path(sys.argv[0], run_name='__main__')"
    script = f"import pfn, runpy, sys; print(pfn.__file__); sys.argv[1:] = ['init']; {run}"
    launcher = DEPLOY / "pfn"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv[0] = {str(launcher)!r}; {script}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path / "lib"))
    assert (tmp_path / "data" / "node.db").is_file()


@pytest.mark.slow
async def test_the_launcher_does_the_work_and_its_judges_are_no_second_command(tmp_path: Path) -> None:
    """A judge of zips loads the main module of who started it: the launcher, which must not run for that."""
    data = tmp_path / "node"
    environment = {"PFN_ALLOW_LOOPBACK": "1"}
    async with FakePublisher("alice") as publisher:
        with run_node(data, environment=environment) as node:
            async with node.async_client() as http:
                source_id = await Api(http).add(publisher)
                assert (await Api(http).post("subscribe", sourceId=source_id)).status_code == 200
        publisher.add_plugin("hello", "1.0")
        rows = create_engine(f"sqlite:///{data / 'node.db'}")
        with rows.begin() as connection:
            connection.execute(text("UPDATE schedule SET due_at = 0 WHERE kind = 'sync'"))
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, str(DEPLOY / "pfn"), "work", "--once", "--data", str(data)],
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        with rows.begin() as connection:
            mirrored = connection.execute(text("SELECT plugin_id FROM mirrored_plugins")).scalars().all()
            failures = connection.execute(text("SELECT code, details FROM sync_failures")).all()
        rows.dispose()
    assert done.returncode == 0, done.stderr
    assert (mirrored, failures) == (["hello"], []), done.stderr
