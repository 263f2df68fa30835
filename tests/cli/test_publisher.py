"""``pfn publisher``: what init makes and says, what serve serves, and how both refuse."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from pfn.cli import publisher
from pfn.cli.output import run
from pfn.protocol.ed25519 import SigningKey, parse_public_key
from pfn.testing.plugin import plugin_zip

COMMAND = "from pfn.cli import publisher; from pfn.cli.output import run; run(publisher.app)"


def init(folder: Path, *options: str) -> str:
    result = CliRunner().invoke(publisher.app, ["init", str(folder), "--username", "alice", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def refuse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    monkeypatch.setattr(sys, "argv", ["pfn", *arguments])
    with pytest.raises(SystemExit) as caught:
        run(publisher.app)
    assert caught.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Listening on "):
                break
        yield "".join(lines), process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def test_init_shows_the_key_its_fingerprint_and_what_is_next(tmp_path: Path) -> None:
    folder = tmp_path / "my plugins"
    shown = init(folder)
    key = SigningKey.from_pem((folder / "keys" / "publisher.key").read_text()).public_key
    assert key.pem in shown
    assert key.fingerprint in shown
    assert f"pfn publisher serve '{folder}'" in shown
    assert "PRIVATE KEY" not in shown


def test_init_in_json(tmp_path: Path) -> None:
    said = json.loads(init(tmp_path, "--json", "--website", "https://alice.example", "--github", "al"))
    assert set(said) == {"folder", "username", "settings_file", "key_file", "public_key", "fingerprint", "next"}
    assert parse_public_key(said["public_key"]).fingerprint == said["fingerprint"]
    assert 'website = "https://alice.example"\ngithub = "al"\n' in Path(said["settings_file"]).read_text()


def test_init_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path)
    before = (tmp_path / "keys" / "publisher.key").read_bytes()
    assert "already" in refuse(monkeypatch, capsys, "init", str(tmp_path), "--username", "alice")
    assert (tmp_path / "keys" / "publisher.key").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["init", "x", "--username", "al ice"], "Your options: username: 1 to 64 letters"),
        (["init", "x", "--username", "alice", "--website", "alice"], "website: an address such as"),
        (["init", "x"], "--username"),
        (["serve", "x"], "pfn publisher init"),
        (["serve", "x", "--port", "99999"], "--port"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert sentence in refuse(monkeypatch, capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "0.0.0.0", "--port", "0"], "--public-url"),
        (["--port", "0", "--public-url", "plugins.example.com"], "--public-url: The URL must look like"),
        (["--host", "no such host"], "Cannot listen"),
    ],
)
def test_serve_refuses_addresses_that_cannot_be(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    init(tmp_path)
    assert sentence in refuse(monkeypatch, capsys, "serve", str(tmp_path), *options)


def test_serve_refuses_a_port_in_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "--port" in refuse(monkeypatch, capsys, "serve", str(tmp_path), "--port", port)


def test_serve_serves_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    init(tmp_path)
    (tmp_path / "one.zip").write_bytes(plugin_zip("one", "1.0"))
    (tmp_path / "torn.zip").write_bytes(b"PK")
    with serving(str(tmp_path), "--port", "0") as (shown, process):
        url = shown.split()[-1]
        catalog = httpx.get(f"{url}/author-data?author=alice").json()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert [plugin["slug"] for plugin in catalog["plugins"]] == ["one"]
    assert f"alice@{url.removeprefix('http://')}" in shown
    assert "not_a_zip" in errors
    assert "torn.zip" in errors
    assert "Traceback" not in errors


def test_the_public_url_is_the_option_then_the_setting(tmp_path: Path) -> None:
    init(tmp_path, "--public-url", "https://plugins.example.com/")
    with serving(str(tmp_path), "--port", "0") as (shown, _):
        assert shown.endswith("Listening on https://plugins.example.com\n")
    with serving(str(tmp_path), "--port", "0", "--public-url", "https://other.example.com") as (shown, _):
        assert shown.endswith("Listening on https://other.example.com\n")


@pytest.mark.parametrize("command", ["init", "serve"])
def test_help_has_an_example(command: str) -> None:
    result = CliRunner().invoke(publisher.app, [command, "--help"])
    assert f"Example: pfn publisher {command}" in result.output
