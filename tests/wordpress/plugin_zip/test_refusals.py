"""One row for each reason to refuse a zip: the smallest lie that brings it up."""

import struct
import zlib

import pytest
from tests.support.zips import (
    MAIN,
    STYLE,
    Member,
    build,
    central_header,
    deflate,
    end_record,
    extra_field,
    local_header,
    plugin,
)

from pfn.wordpress.plugin_zip import ZipCode, ZipLimits, inspect_zip

X = b"x" * 100
PNG = b"sample/a.png"


def member(name="sample/a.txt", content=X, **options):
    return Member(name, content, **options)


def unicode_path(name: bytes, shown: bytes) -> bytes:
    return extra_field(0x7075, struct.pack("<BI", 1, zlib.crc32(name)) + shown)


def fake_directory_inside() -> bytes:
    """A stored file that holds a whole second ending, with offsets true for the outer file."""
    main = Member("sample/sample.php", MAIN).fields()
    start = len(local_header(main) + main["data"]) + 30 + len(b"sample/a.bin")
    hidden = Member("sample/evil.php", b"evil").fields()
    record = central_header(hidden, 0)
    return plugin(member("sample/a.bin", record + end_record(1, len(record), start), method=0))


def one_slice() -> bytes:
    """A single stored deflate block of 64 KiB, so that the data after it begins a slice of its own."""
    return struct.pack("<BHH", 1, 65531, 0xFFFF ^ 65531) + bytes(65531)


def with_zip64_locator() -> bytes:
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, 0, 1)
    return plugin(before_end=locator)


def overlapping() -> bytes:
    """The second record points at the first's local header (the non-recursive bomb in small)."""
    first = Member("sample/a.txt", X)
    return build(first, Member("sample/a.txt", X, central={"offset": 0}))


def quoted() -> bytes:
    """A file whose data is the next file's local header and data (the quoted overlap)."""
    inner = Member("sample/b.txt", X, method=0)
    quoted_bytes = local_header(inner.fields()) + X
    outer = Member("sample/a.txt", quoted_bytes, method=0)
    values = outer.fields()
    body = local_header(values) + quoted_bytes
    directory = central_header(values, 0) + central_header(inner.fields(), len(body) - len(quoted_bytes))
    return body + directory + end_record(2, len(directory), len(body))


ROWS = [
    # Rule 1.
    (ZipCode.NOT_A_ZIP, b""),
    (ZipCode.NOT_A_ZIP, b"<?php echo 'no zip';"),
    (ZipCode.NOT_A_ZIP, plugin()[:-10]),
    (ZipCode.TRUNCATED, plugin(comment=b"a comment")[:-1]),
    (ZipCode.TRAILING_DATA, plugin(suffix=b"\0")),
    (ZipCode.LEADING_DATA, plugin(prefix=b"#!/bin/sh\n")),
    (ZipCode.SECOND_END_RECORD, fake_directory_inside()),
    (ZipCode.SECOND_END_RECORD, plugin(before_end=end_record(0, 0, 0))),
    (ZipCode.COMMENT_SIGNATURE, plugin(comment=b"--" + end_record(0, 0, 0))),
    (ZipCode.COMMENT_TOO_LONG, plugin(comment=b"c" * 1025)),
    (ZipCode.MULTIPLE_DISKS, plugin(end={"disk": 1})),
    (ZipCode.MULTIPLE_DISKS, plugin(end={"directory_disk": 1})),
    (ZipCode.MULTIPLE_DISKS, plugin(member(central={"disk": 1}))),
    (ZipCode.ZIP64, with_zip64_locator()),
    (ZipCode.ZIP64, plugin(end={"entries": 0xFFFF, "here": 0xFFFF})),
    (ZipCode.ZIP64, plugin(end={"offset": 0xFFFFFFFF})),
    (ZipCode.ZIP64, plugin(member(central={"extra": extra_field(1, b"\0" * 8)}))),
    (ZipCode.ZIP64, plugin(member(central={"size": 0xFFFFFFFF}))),
    (ZipCode.ZIP64, plugin(member(local={"size": 0xFFFFFFFF, "packed": 0xFFFFFFFF}))),
    (ZipCode.ZIP64, plugin(member(local={"extra": extra_field(1, struct.pack("<QQ", 100, 5))}))),
    (ZipCode.ENTRY_COUNT, plugin(end={"here": 2})),
    (ZipCode.ENTRY_COUNT, plugin(end={"here": 2, "entries": 2})),
    (ZipCode.ENTRY_COUNT, plugin(member(), end={"here": 1, "entries": 1})),
    (ZipCode.DIRECTORY_MISPLACED, plugin(before_end=b"\0" * 10)),
    (ZipCode.DIRECTORY_MISPLACED, b"MZ" + plugin()),
    (ZipCode.DIRECTORY_CORRUPT, plugin().replace(b"PK\1\2", b"PK\1\3")),
    (ZipCode.DIRECTORY_CORRUPT, plugin(end={"offset": 31, "size": len(plugin()) - 22 - 31})),
    # Rule 2.
    (ZipCode.NAME_TOO_LONG, plugin(member("sample/" + "a" * 249))),
    (ZipCode.NAME_TOO_DEEP, plugin(member("sample/" + "a/" * 31 + "b"))),
    # Rule 3.
    (ZipCode.LOCAL_HEADER_MISSING, plugin().replace(b"PK\3\4", b"PK\3\5")),
    (ZipCode.LOCAL_HEADER_MISSING, plugin(member(central={"offset": 0x7FFFFFFF}))),
    (ZipCode.OVERLAP, overlapping()),
    (ZipCode.OVERLAP, quoted()),
    (ZipCode.OVERLAP, plugin(member(central={"packed": 500}, local={"packed": 500}))),
    (ZipCode.GAP, plugin(member(before=local_header(Member("sample/hidden.php", X).fields()) + deflate(X)))),
    (ZipCode.GAP, plugin(before_directory=b"\0")),
    (ZipCode.DESCRIPTOR, plugin(member(descriptor=struct.pack("<III", 1, 2, 3)))),
    (ZipCode.DESCRIPTOR, plugin(member(local={"flags": 8}, central={"flags": 8}))),
    (ZipCode.DESCRIPTOR, plugin(member(descriptor=24))),
    # Rule 4.
    (ZipCode.MISMATCH_NAME, plugin(member(local={"name": b"sample/b.txt"}))),
    (ZipCode.MISMATCH_METHOD, plugin(member(local={"method": 0}))),
    (ZipCode.MISMATCH_FLAGS, plugin(member(local={"flags": 0x800}))),
    (ZipCode.MISMATCH_CRC, plugin(member(local={"crc": 1}))),
    (ZipCode.MISMATCH_CRC, plugin(member(local={"crc": 0}))),
    (ZipCode.MISMATCH_SIZE, plugin(member(local={"size": 1}))),
    (ZipCode.MISMATCH_SIZE, plugin(member(local={"packed": 0}))),
    (ZipCode.MISMATCH_SIZE, plugin(member(descriptor=16, local={"size": 1}))),
    (ZipCode.UNICODE_PATH, plugin(member(PNG, central={"extra": unicode_path(PNG, b"sample/a.php")}))),
    (ZipCode.UNICODE_PATH, plugin(member(PNG, local={"extra": unicode_path(PNG, b"sample/a.php")}))),
    (ZipCode.UNICODE_PATH, plugin(member(PNG, extra=unicode_path(b"stale", PNG)))),
    (ZipCode.EXTRA_DUPLICATE, plugin(member(extra=extra_field(0x5455, b"\0") * 2))),
    (ZipCode.EXTRA_MALFORMED, plugin(member(extra=b"\x55\x54\x09\0\0"))),
    (ZipCode.EXTRA_MALFORMED, plugin(member(extra=b"\0\0\0"))),
    (ZipCode.ENTRY_COMMENT, plugin(member(central={"comment": b"hello"}))),
    (ZipCode.ENCRYPTED, plugin(member(local={"flags": 1}, central={"flags": 1}))),
    (ZipCode.ENCRYPTED, plugin(member(central={"flags": 1 << 13}))),
    (ZipCode.METHOD_UNSUPPORTED, plugin(member(method=12))),
    (ZipCode.FLAG_UNSUPPORTED, plugin(member(central={"flags": 1 << 5}))),
    (ZipCode.VERSION_UNSUPPORTED, plugin(member(central={"version": 46}))),
    (ZipCode.VERSION_UNSUPPORTED, plugin(member(local={"version": 63}))),
    # Rule 5.
    (ZipCode.NAME_ENCODING, plugin(member("sample/é", local={"flags": 0}, central={"flags": 0}))),
    (ZipCode.NAME_ENCODING, plugin(member(b"sample/\xff"))),
    (ZipCode.NAME_DOS, plugin(member("sample/é", central={"made_by": 20}))),
    (ZipCode.NAME_DOS, plugin(member("sample/é", central={"made_by": 6 << 8}))),
    (ZipCode.NAME_DOS, plugin(member("sample/é", central={"made_by": 11 << 8 | 50}))),
    (ZipCode.NAME_NOT_NFC, plugin(member("sample/e\u0301"))),
    (ZipCode.NAME_CONTROL, plugin(member("sample/a.php\0.txt"))),
    (ZipCode.NAME_CONTROL, plugin(member("sample/\x1b[2J"))),
    (ZipCode.NAME_CONTROL, plugin(member("sample/a\n"))),
    (ZipCode.NAME_CONTROL, plugin(member("sample/txt.\u202ephp"))),
    (ZipCode.NAME_BACKSLASH, plugin(member("sample\\..\\a"))),
    (ZipCode.NAME_COLON, plugin(member("sample/a:b"))),
    (ZipCode.NAME_ABSOLUTE, plugin(member("/etc/passwd"))),
    (ZipCode.NAME_SEGMENT, plugin(member("sample/../../wp-config.php"))),
    (ZipCode.NAME_SEGMENT, plugin(member("sample/./a"))),
    (ZipCode.NAME_SEGMENT, plugin(member("sample//a"))),
    (ZipCode.NAME_SEGMENT, plugin(member("sample/.."))),
    (ZipCode.NAME_SEGMENT, plugin(member("sample/a//", b"", method=0))),
    (ZipCode.NAME_SEGMENT, plugin(member("", b""))),
    (ZipCode.NAME_TRAILING, plugin(member("sample/a."))),
    (ZipCode.NAME_TRAILING, plugin(member("sample/a /b"))),
    (ZipCode.NAME_TRAILING, plugin(member("sample/..."))),
    (ZipCode.NAME_DEVICE, plugin(member("sample/nul"))),
    (ZipCode.NAME_DEVICE, plugin(member("sample/Aux.php"))),
    (ZipCode.NAME_DEVICE, plugin(member("sample/com1 .a.txt"))),
    (ZipCode.NAME_DEVICE, plugin(member("sample/LPT9/a"))),
    (ZipCode.NAME_DEVICE, plugin(member("sample/conin$"))),
    (ZipCode.NAME_VERSION_SUFFIX, plugin(member("sample/sample.php;1"))),
    (ZipCode.NAME_DUPLICATE, plugin(member(), member())),
    (ZipCode.NAME_COLLISION, plugin(member("sample/A.php"), member("sample/a.php"))),
    (ZipCode.NAME_COLLISION, plugin(member("sample/Inc/a"), member("sample/c"), member("sample/inc/b"))),
    (ZipCode.NAME_COLLISION, plugin(member("sample/straße"), member("sample/STRASSE"))),
    (ZipCode.FILE_IS_FOLDER, plugin(member("sample/a"), member("sample/a/b"))),
    (ZipCode.FILE_IS_FOLDER, plugin(member("sample/a"), member("sample/a-b"), member("sample/a/b"))),
    (ZipCode.FILE_IS_FOLDER, plugin(member("sample/a"), member("sample/a/", b"", method=0))),
    (ZipCode.FOLDER_WITH_DATA, plugin(member("sample/a/"))),
    # Rule 6.
    (ZipCode.SYMLINK, plugin(member(mode=0o120777))),
    (ZipCode.SPECIAL_FILE, plugin(member(mode=0o020644))),
    (ZipCode.SPECIAL_FILE, plugin(member(central={"attributes": 8}))),
    (ZipCode.SETUID, plugin(member(mode=0o104755))),
    (ZipCode.SETUID, plugin(member(mode=0o102755))),
    (ZipCode.TYPE_CONFLICT, plugin(member(mode=0o040755))),
    (ZipCode.TYPE_CONFLICT, plugin(member(central={"attributes": 0x10}))),
    (ZipCode.TYPE_CONFLICT, plugin(member("sample/a/", b"", method=0, mode=0o100644))),
    (
        ZipCode.MODE_EXTRA,
        plugin(member(extra=extra_field(0x756E, struct.pack("<IHIHH", 0, 0o120777, 0, 0, 0)))),
    ),
    # Rule 7.
    (ZipCode.FILE_TOO_LARGE, plugin(member(local={"size": 65 << 20}, central={"size": 65 << 20}))),
    (ZipCode.FILE_RATIO, plugin(member(local={"size": 2 << 20}, central={"size": 2 << 20}))),
    (ZipCode.SIZE_MISMATCH, plugin(member(local={"size": 99}, central={"size": 99}))),
    (ZipCode.SIZE_MISMATCH, plugin(member(local={"size": 101}, central={"size": 101}))),
    (ZipCode.SIZE_MISMATCH, plugin(member(method=0, local={"size": 99}, central={"size": 99}))),
    (ZipCode.CRC_MISMATCH, plugin(member(local={"crc": 1}, central={"crc": 1}))),
    (ZipCode.CRC_MISMATCH, plugin(member(method=0, local={"crc": 1}, central={"crc": 1}))),
    (ZipCode.DEFLATE_CORRUPT, plugin(member(data=b"\xff" * 20))),
    (ZipCode.DEFLATE_TRUNCATED, plugin(member(data=deflate(X)[:-1]))),
    (ZipCode.DEFLATE_TRUNCATED, plugin(member(data=b""))),
    (ZipCode.DEFLATE_TRAILING, plugin(member(data=deflate(X) + b"hidden"))),
    (ZipCode.DEFLATE_TRAILING, plugin(member(data=deflate(X) + b"h" * (1 << 17)))),
    (ZipCode.DEFLATE_TRAILING, plugin(member(content=bytes(65531), data=one_slice() + b"hidden"))),
    # Rule 8.
    (ZipCode.NO_FOLDER, build()),
    (ZipCode.NO_FOLDER, build(Member("sample.php", MAIN))),
    (ZipCode.STRAY_FILE, plugin(member("readme.txt"))),
    (ZipCode.STRAY_FILE, plugin(member("__MACOSX"))),
    (ZipCode.SEVERAL_FOLDERS, plugin(member("other/a.txt"))),
    (ZipCode.NO_MAIN_FILE, build(Member("sample/deeper/sample.php", MAIN))),
    (ZipCode.NO_MAIN_FILE, build(Member("sample/sample.php", b" " * 8200 + MAIN))),
    (ZipCode.NO_MAIN_FILE, build(Member("sample/.hidden.php", MAIN))),
    (ZipCode.CONFLICTING_MAIN_FILES, plugin(member("sample/a.php", MAIN.replace(b"1.2.3", b"9.9")))),
    (ZipCode.CONFLICTING_MAIN_FILES, plugin(member("sample/a.php", MAIN.replace(b"Sample", b"Other")))),
    (ZipCode.VERSION_MISSING, plugin(main=MAIN.replace(b"Version", b"Vision"))),
    (ZipCode.REPOSITORY_FOLDER, plugin(member("sample/.git/config"))),
    (ZipCode.REPOSITORY_FOLDER, plugin(member("sample/lib/.SVN/entries"))),
    (ZipCode.THEME_WITHOUT_TEMPLATE, build(Member("sample/style.css", STYLE))),
]

# Some faults cannot stand alone: files at the root mean that there is no folder.
COMPANIONS = {
    ZipCode.NO_FOLDER: {ZipCode.STRAY_FILE},
    ZipCode.FILE_TOO_LARGE: {ZipCode.TOTAL_RATIO},
    ZipCode.FILE_RATIO: {ZipCode.TOTAL_RATIO},
}


@pytest.mark.parametrize(("code", "data"), [pytest.param(*row, id=f"{row[0]}-{n}") for n, row in enumerate(ROWS)])
def test_a_zip_is_refused_for_its_one_fault(code, data):
    report = inspect_zip(data)
    codes = {finding.code for finding in report.findings}
    assert code in codes
    assert codes <= {code} | COMPANIONS.get(code, set())
    assert not report.accepted
    assert report.readable == (code is not ZipCode.NOT_A_ZIP)
    assert all(finding.sentence.endswith(".") for finding in report.findings)


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (ZipCode.FOLDER_NOT_SLUG, {"slug": "other"}),
        (ZipCode.VERSION_MISMATCH, {"version": "1.2.4"}),
        (ZipCode.VERSION_MISMATCH, {"version": "1.2.3.0"}),
        (ZipCode.TOO_MANY_ENTRIES, {"limits": ZipLimits(entries=1)}),
        (ZipCode.DIRECTORY_TOO_LARGE, {"limits": ZipLimits(directory_bytes=100)}),
        (ZipCode.COMMENT_TOO_LONG, {"limits": ZipLimits(comment_bytes=0)}),
        (ZipCode.NAME_TOO_LONG, {"limits": ZipLimits(name_bytes=16)}),
        (ZipCode.NAME_TOO_DEEP, {"limits": ZipLimits(depth=1)}),
        (ZipCode.FILE_TOO_LARGE, {"limits": ZipLimits(file_bytes=99)}),
        (ZipCode.TOTAL_TOO_LARGE, {"limits": ZipLimits(total_bytes=150)}),
        (ZipCode.FILE_RATIO, {"limits": ZipLimits(file_ratio=5, ratio_floor=10)}),
        (ZipCode.TOTAL_RATIO, {"limits": ZipLimits(total_ratio=1, ratio_floor=10)}),
    ],
)
def test_what_was_announced_and_the_limits_hold(code, arguments):
    data = plugin(member(), comment=b"c")
    assert inspect_zip(data, slug="sample", version="1.2.3").accepted
    assert {finding.code for finding in inspect_zip(data, **arguments).findings} == {code}


def test_every_reason_to_refuse_has_a_row():
    warnings = list(ZipCode)[list(ZipCode).index(ZipCode.MACOSX_FOLDER) :]
    by_argument = {ZipCode.FOLDER_NOT_SLUG, ZipCode.VERSION_MISMATCH, ZipCode.DIRECTORY_TOO_LARGE}
    by_argument |= {ZipCode.TOO_MANY_ENTRIES, ZipCode.TOTAL_TOO_LARGE, ZipCode.TOTAL_RATIO}
    assert {code for code, _ in ROWS} | by_argument == set(ZipCode) - set(warnings)


def test_findings_name_the_entry():
    report = inspect_zip(plugin(member("sample/a:b"), member(mode=0o120777)))
    assert [(finding.code, finding.path) for finding in report.findings] == [
        (ZipCode.NAME_COLON, "sample/a:b"),
        (ZipCode.SYMLINK, "sample/a.txt"),
    ]


def test_the_number_of_findings_is_bounded():
    report = inspect_zip(plugin(*(member(f"sample/{n}:") for n in range(100))))
    assert len(report.findings) == 50
