"""Zips that unpack to far more than they weigh are refused, and cost little memory whatever they say."""

import io
import os
import struct
import tracemalloc
import zipfile
import zlib

import pytest
from tests.support.zips import MAIN, Member, build, central_header, deflate, end_record, local_header, plugin

from pfn.wordpress.plugin_zip import ZipCode, inspect_zip

MEBI = 1 << 20
MOST_MEMORY = 8 * MEBI


def overlap_bomb() -> bytes:
    """Two hundred directory entries share one local header and its mebibyte of zeros."""
    kernel = Member("sample/a", bytes(MEBI))
    values = kernel.fields()
    body = local_header(values) + values["data"]
    directory = central_header(values, 0) * 200
    return body + directory + end_record(200, len(directory), len(body))


def quoted_overlap_bomb() -> bytes:
    """Each file begins with a stored deflate block that holds the next one's local header, down to the kernel."""
    body, content, chain = deflate(bytes(MEBI), 9), bytes(MEBI), []
    for number in reversed(range(20)):
        values = Member(f"sample/{number}").fields()
        values |= {"crc": zlib.crc32(content), "packed": len(body), "size": len(content)}
        header = local_header(values)
        chain.append((values, len(header) + len(body)))
        if number:
            body = struct.pack("<BHH", 0, len(header), 0xFFFF ^ len(header)) + header + body
            content = header + content
    body = local_header(chain[-1][0]) + body
    directory = b"".join(central_header(values, len(body) - length) for values, length in chain)
    return body + directory + end_record(len(chain), len(directory), len(body))


def announced(size: int, content: bytes) -> Member:
    return Member("sample/a", content, local={"size": size}, central={"size": size})


BOMBS = {
    "overlap": (ZipCode.OVERLAP, overlap_bomb()),
    "quoted overlap": (ZipCode.OVERLAP, quoted_overlap_bomb()),
    "one file": (ZipCode.FILE_RATIO, plugin(Member("sample/a", bytes(50 * MEBI)))),
    "many files": (ZipCode.TOTAL_RATIO, plugin(*(Member(f"sample/{n}", bytes(MEBI)) for n in range(20)))),
    "one that lies": (ZipCode.SIZE_MISMATCH, plugin(announced(100, bytes(50 * MEBI)))),
    "one that lies the other way": (ZipCode.FILE_TOO_LARGE, plugin(announced(0xFFFFFFFE, b"x"))),
    "one of blocks without content": (
        ZipCode.DEFLATE_TRUNCATED,
        plugin(Member("sample/a", data=b"\0\0\0\xff\xff" * MEBI)),
    ),
}


def peak_of(data: bytes) -> tuple[set[ZipCode], int]:
    tracemalloc.start()
    try:
        report = inspect_zip(data)
        return {finding.code for finding in report.findings}, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_bomb_is_refused_in_little_memory(bomb):
    code, data = BOMBS[bomb]
    codes, peak = peak_of(data)
    assert code in codes
    assert peak < MOST_MEMORY


def test_the_quoted_bomb_works():
    """Every file in it unpacks to what its header says."""
    with zipfile.ZipFile(io.BytesIO(quoted_overlap_bomb())) as archive:
        assert len(archive.infolist()) == 20
        assert sum(info.file_size for info in archive.infolist()) > 20 * MEBI
        first = archive.infolist()[0]
        assert len(archive.read(first)) == first.file_size


@pytest.mark.parametrize("level", [0, 1, 9])
def test_a_large_honest_file_costs_little_memory(level):
    content = b"".join(os.urandom(1 << 10) + bytes(1 << 13) for _ in range(2000))
    data = plugin(Member("sample/a", content, data=deflate(content, level)))
    codes, peak = peak_of(data)
    assert codes == set()
    assert peak < MOST_MEMORY


def test_many_main_files_cost_little_memory():
    main = MAIN + b" " * 9000
    members = [Member(f"sample/{n}.php", main.replace(b"1.2.3", str(n).encode()) + os.urandom(90)) for n in range(3000)]
    codes, peak = peak_of(build(*members))
    assert codes == {ZipCode.CONFLICTING_MAIN_FILES}
    assert peak < MOST_MEMORY
