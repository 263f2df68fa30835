"""``pfn publisher``: rotate-key, revoke-key, new-key, sign, accept."""

import json
from pathlib import Path

import pytest
from tests.cli.test_publisher import call, init, put_zip, refuse
from typer.testing import CliRunner

from pfn.cli import publisher
from pfn.protocol.ed25519 import SigningKey


@pytest.fixture
def folder(tmp_path: Path) -> str:
    init(tmp_path / "a")
    return str(tmp_path / "a")


@pytest.mark.parametrize("role", ["release", "ownership", "root"])
def test_rotate_says_the_new_version(folder: str, role: str) -> None:
    assert "Version 2 of the key document is published" in call("rotate-key", folder, role)
    said = json.loads(call("rotate-key", folder, role, "--json"))
    assert (said["version"], said["to_sign"], said["held"]) == (3, None, [])
    keys = [key for key in json.loads(call("show", folder, "--json"))["keys"] if key["role"] == role]
    assert len(keys) == (3 if role == "release" else 1)
    assert keys[-1]["here"]


def test_revoke_says_what_is_signed_anew(folder: str, tmp_path: Path) -> None:
    call("add", folder, put_zip(tmp_path / "one.zip", "one", "1.0"))
    key = next(key for key in json.loads(call("show", folder, "--json"))["keys"] if key["role"] == "release")
    options = ("--reason", "Stolen.", "--compromised-since")
    shown = call("revoke-key", folder, key["id"][:16], *options, "2001-02-03")
    assert "Held back: one 1.0" in shown
    said = json.loads(call("show", folder, "--json"))
    assert next(one for one in said["keys"] if one["id"] == key["id"])["compromised_since"] == 981158400
    assert [problem["code"] for problem in said["problems"]] == ["held_back"]
    assert "published one 1.0" in call("add", folder, str(tmp_path / "one.zip"))
    assert json.loads(call("show", folder, "--json"))["problems"] == []


def test_a_revoked_key_is_refused_a_second_time(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    key = next(key for key in json.loads(call("show", folder, "--json"))["keys"] if key["role"] == "release")
    arguments = ("revoke-key", folder, key["id"], "--reason", "x", "--compromised-since", "2026-01-31T12:00+01:00")
    call(*arguments)
    assert "already" in refuse(monkeypatch, capsys, *arguments, code=1)


def test_new_key_makes_one_and_never_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "root.key"
    shown = call("new-key", str(path))
    key = SigningKey.from_pem(path.read_text())
    assert key.public_key.pem in shown
    assert path.stat().st_mode & 0o777 == 0o600
    assert "already" in refuse(monkeypatch, capsys, "new-key", str(path))
    assert SigningKey.from_pem(path.read_text()) == key


def test_a_whole_ceremony(tmp_path: Path) -> None:
    for name in ("ann", "bob", "cat"):
        said = json.loads(call("new-key", str(tmp_path / f"{name}.key"), "--json"))
        (tmp_path / f"{name}.pem").write_text(said["public_key"])
    folder, usb = str(tmp_path / "a"), str(tmp_path / "usb")
    roots = [word for name in ("ann", "bob", "cat") for word in ("--root-public-key", str(tmp_path / f"{name}.pem"))]
    shown = init(tmp_path / "a", *roots, "--threshold", "2", "--sign-offline", usb)
    assert f"pfn publisher sign {usb}/publisher.1.json" in shown
    assert f"pfn publisher accept {folder} {usb}/publisher.1.signed.json" in shown
    call("sign", f"{usb}/publisher.1.json", "--root-key", str(tmp_path / "ann.key"), "--yes")
    call("sign", f"{usb}/publisher.1.signed.json", "--root-key", str(tmp_path / "bob.key"), "--yes")
    assert "Version 1" in call("accept", folder, f"{usb}/publisher.1.signed.json")

    call("rotate-key", folder, "release", "--sign-offline", usb)
    for name in ("bob", "cat"):
        options = ("--root-key", str(tmp_path / f"{name}.key"), "--out", str(tmp_path / name), "--yes")
        call("sign", f"{usb}/publisher.2.json", *options)
    said = json.loads(call("accept", folder, str(tmp_path / "bob"), str(tmp_path / "cat"), "--json"))
    assert said["version"] == 2
    assert json.loads(call("show", folder, "--json"))["problems"] == []


def test_sign_shows_what_it_signs_and_asks(folder: str, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    call("renew", folder, "--sign-offline", str(usb))
    arguments = ["sign", str(usb / "publisher.2.json"), "--root-key", f"{folder}/keys/root.key"]
    runner = CliRunner(env={"COLUMNS": "200"})
    result = runner.invoke(publisher.app, arguments, input="n\n")
    assert result.exit_code == 1
    assert "alice@127.0.0.1:8100" in result.stdout
    assert [path.name for path in usb.iterdir()] == ["publisher.2.json"]
    assert runner.invoke(publisher.app, arguments, input="y\n").exit_code == 0
    assert (usb / "publisher.2.signed.json").exists()


def test_where_no_release_key_is_accept_says_what_is_left_to_do(folder: str, tmp_path: Path) -> None:
    usb = tmp_path / "usb"
    call("renew", folder, "--sign-offline", str(usb))
    call("sign", str(usb / "publisher.2.json"), "--root-key", f"{folder}/keys/root.key", "--yes")
    (Path(folder) / "keys" / "release.key").unlink()
    assert "pfn publisher renew" in call("accept", folder, str(usb / "publisher.2.signed.json"))
