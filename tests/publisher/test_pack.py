"""Packing a folder: the same bytes each time, what goes in, what stays out, and that others can open it."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest
from tests.support.tools import needs_tool

from pfn.publisher.pack import pack_folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "plain-example"
    (folder / "assets" / "css").mkdir(parents=True)
    (folder / "plain-example.php").write_bytes(b"<?php\n// Plugin Name: Plain Example\n" * 100)
    (folder / "readme.txt").write_text("=== Plain Example ===\n")
    (folder / "assets.php").write_text("<?php\n")
    (folder / "assets" / "css" / "ü.css").write_text("a{}")
    (folder / ".htaccess").write_text("Deny from all")
    (folder / ".DS_Store").write_text("x")
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text("x")
    return folder


NAMES = [
    "plain-example/.htaccess",
    "plain-example/assets.php",
    "plain-example/assets/css/ü.css",
    "plain-example/plain-example.php",
    "plain-example/readme.txt",
]


def test_a_zip_has_one_top_folder_sorted_names_one_time_and_one_mode(folder: Path, tmp_path: Path) -> None:
    target = pack_folder(folder, tmp_path / "a.zip")
    with zipfile.ZipFile(target) as archive:
        entries = archive.infolist()
        assert archive.testzip() is None
        assert archive.read(NAMES[2]) == b"a{}"
    assert [entry.filename for entry in entries] == NAMES
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {entry.external_attr >> 16 for entry in entries} == {0o100644}
    assert {entry.compress_type for entry in entries} == {zipfile.ZIP_DEFLATED}


def test_the_same_files_give_the_same_bytes_at_any_age_mode_and_place(folder: Path, tmp_path: Path) -> None:
    first = pack_folder(folder, tmp_path / "a.zip").read_bytes()
    main = folder / "plain-example.php"
    os.utime(main, (10**9, 10**9))
    main.chmod(0o600)
    (tmp_path / "elsewhere").mkdir()
    moved = folder.rename(tmp_path / "elsewhere" / "plain-example")
    assert pack_folder(moved, tmp_path / "b.zip").read_bytes() == first


def test_a_target_already_there_is_replaced_and_nothing_left_beside_it(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.zip").write_text("old")
    pack_folder(folder, out / "a.zip")
    assert [path.name for path in out.iterdir()] == ["a.zip"]
    assert zipfile.is_zipfile(out / "a.zip")


def test_a_symbolic_link_is_refused_and_the_old_zip_stays(folder: Path, tmp_path: Path) -> None:
    target = pack_folder(folder, tmp_path / "a.zip")
    before = target.read_bytes()
    (folder / "assets" / "link.php").symlink_to(folder / "plain-example.php")
    with pytest.raises(ValueError, match="symbolic link"):
        pack_folder(folder, target)
    assert target.read_bytes() == before


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="no file"):
        pack_folder(tmp_path / "empty", tmp_path / "a.zip")
    assert not (tmp_path / "a.zip").exists()


def test_the_folder_may_be_named_relative_to_where_one_stands(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with zipfile.ZipFile(pack_folder(Path(), tmp_path / "a.zip")) as archive:
        assert archive.namelist() == NAMES


@needs_tool("unzip")
def test_unzip_opens_it(folder: Path, tmp_path: Path) -> None:
    target = pack_folder(folder, tmp_path / "a.zip")
    subprocess.run(["unzip", "-q", str(target), "-d", str(tmp_path / "out")], check=True)
    unpacked = tmp_path / "out" / "plain-example"
    assert (unpacked / "plain-example.php").read_bytes() == (folder / "plain-example.php").read_bytes()
