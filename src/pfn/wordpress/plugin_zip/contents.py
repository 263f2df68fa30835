"""What the entries hold, unpacked within bounds.

Answers for sizes, checksums and the exact use of the packed bytes. It keeps no more of a file than it is
asked for.

The rules (facts: fetch and zip safety, ZIP rule 7): announced sizes and ratios are bounded before anything is
unpacked; unpacking stops one byte past the announced size; size and CRC are as announced; the packed bytes
are used up to the last. So memory is bounded by a chunk, and time by the announced total.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pfn.wordpress.plugin_zip.directory import STORED, Entry
from pfn.wordpress.plugin_zip.limits import ZipLimits
from pfn.wordpress.plugin_zip.report import Finding, RefusalError, ZipCode

_INPUT_BYTES: Final = 1 << 16
_OUTPUT_BYTES: Final = 1 << 20
_RAW_DEFLATE: Final = -zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class FileContent:
    """An unpacked file: its path, its SHA-256 in hex, and as much of its beginning as was asked for."""

    path: str
    size: int
    sha256: str
    head: bytes


def judge_sizes(entries: Sequence[Entry], limits: ZipLimits) -> Iterator[Finding]:
    """Yield what is wrong with the sizes and ratios that the entries announce."""
    for entry in entries:
        if entry.method == STORED and entry.packed != entry.size:
            yield Finding(ZipCode.SIZE_MISMATCH, "The entry is stored, yet has two sizes.", entry.path)
        if entry.size > limits.file_bytes:
            yield Finding(
                ZipCode.FILE_TOO_LARGE,
                f"The file has {entry.size} bytes; {limits.file_bytes} are allowed.",
                entry.path,
            )
        elif entry.size > limits.ratio_floor and entry.size > limits.file_ratio * entry.packed:
            yield Finding(
                ZipCode.FILE_RATIO,
                f"The file grows more than {limits.file_ratio} times when unpacked.",
                entry.path,
            )
    total = sum(entry.size for entry in entries)
    packed = sum(entry.packed for entry in entries)
    if total > limits.total_bytes:
        yield Finding(ZipCode.TOTAL_TOO_LARGE, f"The zip unpacks to {total} bytes; {limits.total_bytes} are allowed.")
    elif total > limits.ratio_floor and total > limits.total_ratio * packed:
        yield Finding(ZipCode.TOTAL_RATIO, f"The zip grows more than {limits.total_ratio} times when unpacked.")


def read_contents(
    laid_out: Iterable[tuple[Entry, memoryview]], head_bytes: Callable[[str], int]
) -> Iterator[FileContent]:
    """Unpack every entry in turn and yield the files; raises RefusalError at the first that is damaged.

    ``head_bytes`` says how much of a path's content to keep.
    """
    for entry, packed in laid_out:
        wanted = 0 if entry.is_folder else head_bytes(entry.path)
        content = _read(entry, packed, wanted)
        if not entry.is_folder:
            yield content


def _read(entry: Entry, packed: memoryview, wanted: int) -> FileContent:
    digest = hashlib.sha256()
    crc = 0
    head = b""
    for chunk in (packed,) if entry.method == STORED else _inflate(entry, packed):
        digest.update(chunk)
        crc = zlib.crc32(chunk, crc)
        if len(head) < wanted:
            head += chunk[: wanted - len(head)]
    if crc != entry.crc:
        raise RefusalError(ZipCode.CRC_MISMATCH, "The content does not match its CRC.", entry.path)
    return FileContent(entry.path, entry.size, digest.hexdigest(), head)


def _inflate(entry: Entry, packed: memoryview) -> Iterator[bytes]:
    """Yield the unpacked bytes in chunks of at most a mebibyte, exactly as many as announced.

    Packed bytes are fed in slices: what an inflater leaves over is copied with every call, and over the whole
    of a large file that would cost the square of its length.
    """
    inflater = zlib.decompressobj(_RAW_DEFLATE)
    room = entry.size
    position = 0
    while not inflater.eof:
        feed: bytes | memoryview = inflater.unconsumed_tail
        if not feed:
            feed = packed[position : position + _INPUT_BYTES]
            position += len(feed)
        try:
            chunk = inflater.decompress(feed, min(room + 1, _OUTPUT_BYTES))
        except zlib.error:
            raise RefusalError(ZipCode.DEFLATE_CORRUPT, "The packed data is damaged.", entry.path) from None
        room -= len(chunk)
        if room < 0:
            raise RefusalError(ZipCode.SIZE_MISMATCH, "The entry unpacks to more than it announces.", entry.path)
        if not chunk and not feed:
            raise RefusalError(ZipCode.DEFLATE_TRUNCATED, "The packed data ends too early.", entry.path)
        yield chunk
    if inflater.unused_data or position < len(packed):
        raise RefusalError(ZipCode.DEFLATE_TRAILING, "Bytes follow the end of the packed data.", entry.path)
    if room:
        raise RefusalError(ZipCode.SIZE_MISMATCH, "The entry unpacks to less than it announces.", entry.path)
