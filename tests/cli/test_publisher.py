"""``pfn publisher``: init, show, build, serve; what they make and say, and how they refuse."""

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
from tests.publisher.reader import believe
from typer.testing import CliRunner

from pfn.cli import publisher
from pfn.cli.output import run
from pfn.protocol.ed25519 import SigningKey, parse_public_key
from pfn.testing.plugin import plugin_zip

COMMAND = "from pfn.cli import publisher; from pfn.cli.output import run; run(publisher.app)"


def call(*arguments: str, code: int = 0) -> str:
    result = CliRunner(env={"COLUMNS": "200"}).invoke(publisher.app, list(arguments), catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.stdout


def init(folder: Path, *options: str) -> str:
    return call("init", str(folder), "--username", "alice", *options)


def refuse(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    monkeypatch.setattr(sys, "argv", ["pfn", *arguments])
    with pytest.raises(SystemExit) as caught:
        run(publisher.app)
    assert caught.value.code == code
    return " ".join(capsys.readouterr().err.split())


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def put_zip(path: Path, slug: str, version: str) -> str:
    path.write_bytes(plugin_zip(slug, version))
    return str(path)


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


def test_init_shows_both_keys_their_fingerprints_and_what_is_next(tmp_path: Path) -> None:
    folder = tmp_path / "my plugins"
    shown = init(folder, "--public-url", "https://plugins.example.com")
    for name in ("root", "v1"):
        key = SigningKey.from_pem((folder / "keys" / f"{name}.key").read_text()).public_key
        assert key.pem in shown
        assert key.fingerprint in shown
    assert f"pfn publisher add '{folder}'" in shown
    assert "PRIVATE KEY" not in shown
    assert "this machine" not in shown


def test_init_in_json(tmp_path: Path) -> None:
    said = json.loads(init(tmp_path, "--json", "--website", "https://alice.example", "--github", "al"))
    assert parse_public_key(said["public_key"]).fingerprint == said["fingerprint"]
    assert said["root_keys"] == [said["public_key"]]
    assert said["to_sign"] is None
    text = Path(said["settings_file"]).read_text()
    assert 'public_url = "http://127.0.0.1:8100"' in text
    assert 'website = "https://alice.example"\ngithub = "al"\n' in text


def test_init_twice_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    init(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert "already" in refuse(monkeypatch, capsys, "init", str(tmp_path), "--username", "alice")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["init", "x", "--username", "al ice"], "Your options: username: 1 to 64 letters"),
        (["init", "x", "--username", "alice", "--website", "alice"], "website: an address such as"),
        (["init", "x", "--username", "alice", "--public-url", "alice.example"], "public_url: The URL must look like"),
        (["init", "x", "--username", "alice", "--root-public-key", "none.pem"], "There is no file none.pem"),
        (["init", "x"], "--username"),
        (["serve", "x"], "pfn publisher init"),
        (["serve", "x", "--port", "99999"], "--port"),
        (["show", "x"], "pfn publisher init"),
        (["add", "x", "y.zip"], "pfn publisher init"),
        (["build", "x", "y"], "pfn publisher init"),
        (["yank", "x", "one", "1.0"], "--reason"),
        (["revoke-key", "x", "0123", "--reason", "y", "--compromised-since", "yesterday"], "is no time"),
        (["rotate-key", "x", "v1"], "'v1' is not one of"),
        (["sign", "none.json", "--root-key", "none.key"], "none.key"),
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
    monkeypatch.setenv("COLUMNS", "300")
    assert sentence in refuse(monkeypatch, capsys, *arguments)
    assert list(tmp_path.iterdir()) == []


def test_show_lists_keys_plugins_and_problems(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    init(folder)
    call("add", str(folder), put_zip(tmp_path / "one.zip", "one", "1.0"))
    shown = call("show", str(folder))
    for expected in ("alice@127.0.0.1:8100", "release", "ownership", "version 1", "1 of 1 must sign", "number 2"):
        assert expected in shown
    said = json.loads(call("show", str(folder), "--json"))
    assert said["plugins"] == [{"slug": "one", "newest": "1.0", "versions": 1, "yanked": 0, "sequence": 1}]
    assert [(key["role"], key["here"]) for key in said["keys"]] == [
        ("root", True),
        ("release", True),
        ("ownership", True),
        ("v1", True),
    ]
    assert said["problems"] == []
    (folder / "signed/plugins/alice/one/one.1.0.zip").write_bytes(b"PK")
    assert "artifact_digest" in call("show", str(folder), code=1)
    said = json.loads(call("show", str(folder), "--json", code=1))
    assert [problem["code"] for problem in said["problems"]] == ["artifact_digest"]


def test_build_says_how_many_files(tmp_path: Path) -> None:
    init(tmp_path / "a")
    said = json.loads(call("build", str(tmp_path / "a"), str(tmp_path / "out"), "--json"))
    assert said["files"] == said["written"] == len([path for path in (tmp_path / "out").rglob("*") if path.is_file()])
    assert f"{said['files']} files in" in call("build", str(tmp_path / "a"), str(tmp_path / "out"))


def test_serve_serves_what_is_added_before_and_after(tmp_path: Path) -> None:
    folder, url = tmp_path / "a", f"http://127.0.0.1:{free_port()}"
    pin = parse_public_key(json.loads(init(folder, "--public-url", url, "--json"))["public_key"])
    call("add", str(folder), put_zip(tmp_path / "one.zip", "one", "1.0"))
    # The port is the address's own.
    with serving(str(folder)) as (shown, process):
        assert shown.endswith(f"Listening on {url}\n")
        assert pin.fingerprint in shown
        call("add", str(folder), put_zip(tmp_path / "two.zip", "two", "1.0"))
        while len(httpx.get(f"{url}/author-data?author=alice").json()["plugins"]) < 2:
            pass
        now = int(httpx.get(f"{url}/federation-info").json()["timestamp"] / 1000)
        believed = believe(lambda path: httpx.get(f"{url}/{path}").raise_for_status().content, url, pin, now=now)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert believed.versions == {"one": ["1.0"], "two": ["1.0"]}
    assert "Traceback" not in errors


def test_behind_a_proxy_the_port_is_free_to_choose(tmp_path: Path) -> None:
    init(tmp_path, "--public-url", "https://plugins.example.com/")
    with serving(str(tmp_path), "--port", "0") as (shown, _):
        at = shown.split()[-1]
        info = httpx.get(f"{at}/federation-info").json()
    assert info["nodeUrl"] == "https://plugins.example.com"
    assert "https://plugins.example.com" in shown


@pytest.mark.parametrize(
    ("options", "sentence"), [(["--host", "no such host"], "Cannot listen"), (["--port", "{taken}"], "--port")]
)
def test_serve_refuses_addresses_that_cannot_be(
    options: list[str],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    init(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = [option.format(taken=taken.getsockname()[1]) for option in options]
        assert sentence in refuse(monkeypatch, capsys, "serve", str(tmp_path), *given)


COMMANDS = [
    "init",
    "add",
    "yank",
    "renew",
    "rotate-key",
    "revoke-key",
    "new-key",
    "sign",
    "accept",
    "show",
    "build",
    "serve",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_parses(command: str) -> None:
    shown = " ".join(call(command, "--help").split())
    assert f"Example: pfn publisher {command}" in shown


def test_every_command_is_tested_for_that() -> None:
    assert {found.name for found in publisher.app.registered_commands} == set(COMMANDS)
