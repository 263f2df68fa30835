"""Honest zips of every common maker are accepted, and every reader finds the same in them."""

import io
import os
import struct
import subprocess
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.support.tools import needs_tool
from tests.support.zip_readers import unzip_tests
from tests.support.zips import MAIN, Member, build, extra_field, plugin, python_zip

from pfn.wordpress.plugin_zip import ZipCode, inspect_zip

FILES = {
    "sample/sample.php": MAIN,
    "sample/readme.txt": b"=== Sample ===\nStable tag: 1.2.3\n\nShort.\n",
    "sample/inc/Class-Öl.php": b"<?php\n" * 500,
    "sample/empty.txt": b"",
    "sample/noise.bin": os.urandom(3000),
}
ASCII_FILES = {path.replace("Ö", "O"): content for path, content in FILES.items()}
ZERO = {"crc": 0, "packed": 0, "size": 0}


def python_zip64(*, to_pipe: bool) -> bytes:
    """Every file written as one that may pass 4 GiB."""
    buffer = io.BytesIO()
    buffer.seekable = lambda: not to_pipe
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in FILES.items():
            with archive.open(path, "w", force_zip64=True) as file:
                file.write(content)
    return buffer.getvalue()


def members(**options) -> list[Member]:
    return [Member(path, content, **options) for path, content in FILES.items()]


def archiver() -> bytes:
    """npm archiver and compress-commons: folders stored, files streamed."""
    return build(Member("sample/", method=0), *members(descriptor=16, central={"made_by": 3 << 8 | 45}))


def jszip_streaming() -> bytes:
    """JSZip with streamFiles: a Unicode path field wherever the name is not ASCII."""
    result = [Member("sample/", method=0), Member("sample/inc/", method=0)]
    for path, content in FILES.items():
        name = path.encode()
        extra = extra_field(0x7075, struct.pack("<BI", 1, zlib.crc32(name)) + name)
        result.append(Member(path, content, descriptor=16, extra=b"" if name.isascii() else extra))
    return build(*result)


def macos() -> bytes:
    """Finder and ditto: the packed size is known, CRC and size are not; metadata in a folder of its own."""
    result = [Member("sample/", method=0, extra=extra_field(0x5855, b"\0" * 12))]
    for member in members(descriptor=16, extra=extra_field(0x5855, b"\0" * 12)):
        member.local = {"packed": len(member.fields()["data"])}
        result.append(member)
    return build(*result, Member("__MACOSX/sample/._sample.php", b"\0\5\x16\7", descriptor=16))


def streamed_zip64(descriptor: int = 24) -> bytes:
    """ZipStream-PHP: room for ZIP64 sizes in each local header, 8-byte sizes in the descriptor."""
    room = extra_field(1, struct.pack("<QQ", 0, 0))
    local = {"extra": room, "packed": 0xFFFFFFFF, "size": 0xFFFFFFFF, "version": 45}
    return build(*members(descriptor=descriptor, local=local, central={"version": 45}))


def windows() -> bytes:
    """Explorer and .NET: made by DOS, the archive bit, no folders."""
    central = {"made_by": 20, "attributes": 0x20}
    return build(*(Member(path, content, central=central) for path, content in ASCII_FILES.items()))


def seven_zip() -> bytes:
    """7-Zip: NTFS times in the central directory only."""
    times = extra_field(0x000A, b"\0" * 4 + struct.pack("<HHQQQ", 1, 24, 1, 1, 1))
    return build(*members(central={"made_by": 63, "attributes": 0x20, "extra": times}))


def assert_honest(data: bytes, readers_agree, folder: Path) -> None:
    """Accepted, read alike by all, and ``unzip -t`` has nothing to complain of."""
    report = readers_agree(data)
    assert report.findings == ()
    assert report.main_file == "sample/sample.php"
    (folder / "made.zip").write_bytes(data)
    assert unzip_tests(folder / "made.zip")


MADE = {
    "python": python_zip(FILES),
    "python stored": python_zip(FILES, method=zipfile.ZIP_STORED),
    "python to a pipe": python_zip(FILES, to_pipe=True),
    "python stored, to a pipe": python_zip(FILES, to_pipe=True, method=zipfile.ZIP_STORED),
    "python zip64": python_zip64(to_pipe=False),
    "python zip64 to a pipe": python_zip64(to_pipe=True),
    "archiver": archiver(),
    "jszip": jszip_streaming(),
    "descriptors without signature": build(*members(descriptor=12)),
    "macos": macos(),
    "streamed zip64": streamed_zip64(),
    "streamed zip64 without signature": streamed_zip64(20),
    "windows": windows(),
    "7-zip": seven_zip(),
    "files in another order": build(*members(), central_order=[4, 2, 0, 1, 3]),
    "a group folder": plugin(Member("sample/shared/", method=0, mode=0o042775)),
    "a zip stored inside": plugin(Member("sample/inner.zip", plugin(comment=b"inner"), method=0)),
    "a zip inside, and a comment": plugin(Member("sample/inner.zip", plugin(), method=0), comment=b"a" * 40),
}


@needs_tool("php")
@needs_tool("unzip")
@pytest.mark.parametrize("maker", MADE)
def test_what_they_make_is_accepted(maker, readers_agree, tmp_path):
    assert_honest(MADE[maker], readers_agree, tmp_path)


@pytest.fixture
def folder(tmp_path) -> Path:
    for path, content in ASCII_FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    return tmp_path


def run(*command: str, folder: Path) -> bytes:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout


@needs_tool("zip")
@needs_tool("php")
@needs_tool("unzip")
@pytest.mark.parametrize("options", ["-r", "-rX", "-r0", "-r9D"])
@pytest.mark.parametrize("to_pipe", [False, True])
def test_what_zip_makes_is_accepted(folder, options, to_pipe, readers_agree):
    if to_pipe:
        data = run("zip", "-q", options, "-", "sample", folder=folder)
    else:
        run("zip", "-q", options, "out.zip", "sample", folder=folder)
        data = (folder / "out.zip").read_bytes()
    assert_honest(data, readers_agree, folder)


@needs_tool("git")
@needs_tool("php")
@needs_tool("unzip")
def test_what_git_archive_makes_is_accepted(folder, readers_agree):
    run("git", "init", "-q", folder=folder)
    run("git", "add", "sample", folder=folder)
    author = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    run("git", *author, "commit", "-qm", "all", folder=folder)
    data = run("git", "archive", "--format=zip", "HEAD", folder=folder)
    assert_honest(data, readers_agree, folder)


@needs_tool("php")
@needs_tool("unzip")
def test_what_php_makes_is_accepted(folder, readers_agree):
    script = """
        $zip = new ZipArchive; $zip->open('out.zip', ZipArchive::CREATE); $zip->addEmptyDir('sample');
        foreach (array_slice($argv, 1) as $path) $zip->addFile($path);
        $zip->addFromString('sample/ä.txt', 'x'); $zip->close();
    """
    run("php", "-r", script, *ASCII_FILES, folder=folder)
    assert_honest((folder / "out.zip").read_bytes(), readers_agree, folder)


@needs_tool("zip")
def test_zip_does_not_mark_names_as_utf8(tmp_path):
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "ä.txt").write_bytes(b"x")
    run("zip", "-qr", "out.zip", "sample", folder=tmp_path)
    report = inspect_zip((tmp_path / "out.zip").read_bytes())
    assert [finding.code for finding in report.findings] == [ZipCode.NAME_ENCODING]


def test_real_plugins_are_accepted(real_plugins):
    assert real_plugins
    for real in real_plugins:
        report = inspect_zip(real.zip.read_bytes(), slug=real.slug, version=real.version)
        assert report.findings == ()
        assert report.kind == "plugin"
