"""``pfn inspect``: exit codes, and what people and programs are shown."""

import json
from pathlib import Path

import pytest
import typer
from tests.support.zips import Member, build, plugin
from typer.testing import CliRunner, Result

from pfn.cli.inspect import inspect

app = typer.Typer()
app.command("inspect")(inspect)


@pytest.fixture
def run(tmp_path: Path):
    def run_on(data: bytes, *options: str) -> Result:
        path = tmp_path / "sample.zip"
        path.write_bytes(data)
        return CliRunner().invoke(app, [str(path), *options])

    return run_on


def test_an_accepted_zip(run):
    result = run(plugin(Member("sample/in.zip", b"x")), "--slug", "sample", "--version", "1.2.3")
    assert result.exit_code == 0
    assert "sample.zip: accepted" in result.output
    assert "sample/sample.php" in result.output
    assert "GPL-2.0-or-later" in result.output
    assert "nested_archive sample/in.zip" in result.output


def test_a_refused_zip(run):
    result = run(plugin(), "--slug", "other", "--version", "2")
    assert result.exit_code == 1
    assert "refused" in result.output
    assert "folder_not_slug sample" in result.output
    assert "version_mismatch sample/sample.php" in result.output


@pytest.mark.parametrize("data", [b"", b"not a zip"])
def test_no_zip(run, data):
    result = run(data)
    assert result.exit_code == 2
    assert "not_a_zip" in result.output


def test_a_missing_file(tmp_path):
    result = CliRunner().invoke(app, [str(tmp_path / "missing.zip")])
    assert result.exit_code == 2
    assert "cannot be read" in result.output


@pytest.mark.parametrize(("data", "code"), [(plugin(), 0), (build(), 1), (b"no", 2)])
def test_json_is_for_programs(run, data, code):
    result = run(data, "--json")
    assert result.exit_code == code
    report = json.loads(result.output)
    assert (report["accepted"], report["readable"]) == (code == 0, code != 2)
    assert bool(report["findings"]) == (code != 0)


def test_names_cannot_play_with_the_terminal(run):
    result = run(plugin(Member("sample/\x1b[31m[red]x", b"x")))
    assert "\x1b" not in result.output
    assert "[31m[red]x" in result.output
