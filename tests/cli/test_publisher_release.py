"""``pfn publisher``: add, yank, renew."""

import json
from pathlib import Path

import pytest
from tests.cli.test_publisher import call, init, put_zip, refuse

from pfn.publisher import key_document


@pytest.fixture
def folder(tmp_path: Path) -> str:
    init(tmp_path / "a")
    return str(tmp_path / "a")


def test_add_says_what_is_published_and_what_was_there(folder: str, tmp_path: Path) -> None:
    one, two = put_zip(tmp_path / "one.zip", "one", "1.0"), put_zip(tmp_path / "two.zip", "two", "1.0")
    assert "published one 1.0" in call("add", folder, one)
    said = json.loads(call("add", folder, one, two, "--json"))
    assert [(one["slug"], one["version"], one["sequence"]) for one in said["published"]] == [("two", "1.0", 1)]
    assert said["known"] == [{"slug": "one", "version": "1.0"}]
    assert said["refused"] == []


def test_add_says_what_is_refused_and_exits_1(folder: str, tmp_path: Path) -> None:
    good, bad = put_zip(tmp_path / "one.zip", "one", "1.0"), put_zip(tmp_path / "two-1.0.zip", "two", "1.1")
    shown = call("add", folder, good, bad, code=1)
    assert "file_name" in shown
    assert "Nothing was published." in shown
    said = json.loads(call("add", folder, good, bad, "--json", code=1))
    assert [(one["file"], one["reasons"][0]["code"]) for one in said["refused"]] == [(bad, "file_name")]
    assert json.loads(call("show", folder, "--json"))["plugins"] == []


def test_text_from_a_zip_is_inert(folder: str, tmp_path: Path) -> None:
    path = tmp_path / "[red]x\x1b[2J.zip"
    path.write_bytes(b"PK")
    shown = call("add", folder, str(path), code=1)
    assert "[red]x\N{REPLACEMENT CHARACTER}[2J.zip" in shown


def test_yank_says_what_is_the_newest_now(folder: str, tmp_path: Path) -> None:
    call("add", folder, put_zip(tmp_path / "a.zip", "one", "1.0"), put_zip(tmp_path / "b.zip", "one", "1.1"))
    assert "The newest is now 1.0." in call("yank", folder, "one", "1.1", "--reason", "Bad.")
    said = json.loads(call("yank", folder, "one", "1.0", "--reason", "Bad too.", "--json"))
    assert said["newest"] is None
    shown = json.loads(call("show", folder, "--json"))
    assert [(one["version"], one["reason"]) for one in shown["yanked"]] == [("1.1", "Bad."), ("1.0", "Bad too.")]


def test_yank_of_what_is_not_there_exits_1(
    folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = refuse(monkeypatch, capsys, "yank", folder, "one", "1.0", "--reason", "Bad.", code=1)
    assert "plugin_unknown" in shown


def test_renew_counts_the_catalogue_on(folder: str) -> None:
    before = json.loads(call("show", folder, "--json"))
    said = json.loads(call("renew", folder, "--json"))
    assert said["catalog"] == before["catalog"]["sequence"] + 1
    assert (said["version"], said["to_sign"]) == (1, None)
    assert "is valid until" in call("renew", folder)


def test_renew_renews_the_key_document_when_it_is_near_its_end_or_asked_to(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(folder) / "keys" / "root.key"
    root.rename(tmp_path / "root.key")
    assert json.loads(call("renew", folder, "--root-key", str(tmp_path / "root.key"), "--json"))["version"] == 2
    monkeypatch.setattr(key_document, "NEAR_EXPIRY", 400 * 24 * 3600)
    assert "expires soon" in call("renew", folder)
    assert json.loads(call("renew", folder, "--json"))["version"] == 2
    (tmp_path / "root.key").rename(root)
    assert json.loads(call("renew", folder, "--json"))["version"] == 3
