"""Backup, restore and move as an operator does them: what is said, and by which exit code."""

import json
from pathlib import Path

import pytest
from tests.support.rows import create_database
from typer.testing import CliRunner, Result

from pfn.app import prepare
from pfn.cli.main import app
from pfn.protocol.errors import Code, PfnError
from pfn.settings import Settings


@pytest.fixture
def data(tmp_path: Path) -> Path:
    prepare(Settings(data=tmp_path / "node"))
    return tmp_path / "node"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(app, list(map(str, arguments)))


def refused(*arguments: object) -> PfnError:
    error = call(*arguments).exception
    assert isinstance(error, PfnError), error
    return error


def test_a_node_is_backed_up_looked_over_and_restored(tmp_path: Path, data: Path) -> None:
    folder, again = tmp_path / "backup", tmp_path / "again"
    done = call("backup", folder, "--data", data)
    assert done.exit_code == 0, done.output
    assert "0 log entries, 0 zips" in done.output
    said = json.loads(call("backup", folder, "--data", data, "--json").stdout)
    assert (said["format"], said["origin"], said["copied"]) == ("pfn-backup/1", "127.0.0.1:8080/pfn", 0)
    done = call("restore", folder, "--verify")
    assert "All of it holds" in done.output
    assert not again.exists()
    done = call("restore", folder, "--to", again)
    assert done.exit_code == 0, done.output
    assert "pfn doctor" in done.output
    assert json.loads(call("restore", folder, "--verify", "--json").stdout).items() <= said.items()
    assert refused("restore", folder, "--to", data).code is Code.WRONG_STATE


def test_restore_wants_to_be_told_what_to_do(tmp_path: Path) -> None:
    assert refused("restore", tmp_path).code is Code.CONFIG_INVALID
    assert refused("restore", tmp_path, "--verify", "--to", tmp_path / "new").code is Code.CONFIG_INVALID
    assert refused("restore", tmp_path, "--verify").code is Code.DATA_MISSING
    assert refused("backup", tmp_path / "backup", "--data", tmp_path / "none").code is Code.DATA_MISSING


def test_a_move_says_how_to_go_on_and_shows_no_password(tmp_path: Path, data: Path, postgres: str) -> None:
    place = create_database(postgres, "cli_move").replace("+psycopg", "").replace("pfn@", "pfn:s3cret@")
    blobs = tmp_path / "blobs"
    done = call("store", "migrate", "--to-database", place, "--to-blobs", blobs, "--data", data)
    assert done.exit_code == 0, done.output
    assert "0 zips are there" in done.output
    shown = place.replace("postgresql:", "postgresql+psycopg:").replace("s3cret", "***")
    assert f'database_url = "{shown}"' in done.output
    assert "s3cret" not in done.output
    said = json.loads(call("store", "migrate", "--to-database", place, "--data", data, "--json").stdout)
    assert (said["log_size"], said["zips"], said["lost"]) == (0, None, [])
    assert refused("store", "migrate", "--data", data).code is Code.CONFIG_INVALID


def test_a_database_that_is_away_is_one_sentence(data: Path) -> None:
    error = refused("store", "migrate", "--to-database", "postgresql://pfn:s3cret@127.0.0.1:9/pfn", "--data", data)
    assert error.code is Code.STORAGE_UNAVAILABLE
    assert "s3cret" not in error.detail
