"""Where a zip's central directory is, by an end record on which all readers agree.

Answers for the end of the file: the end-of-central-directory record and its comment. It does not read the
central directory.

The rules (facts: fetch and zip safety, ZIP rule 1): the record and its comment end where the file ends; the
central directory ends where the record begins; disk numbers are 0; the comment is short and holds no record's
signature.

Readers look for the record in different ways: Python and unzip take the last signature, PclZip may take the
first of the last 64 KiB, libzip tries them all and keeps the most plausible. So every other signature in that
stretch is refused if a reader could follow it to a directory. One that leads nowhere is let be: that is an
archive stored inside the zip, whose offsets mean nothing outside it.

ZIP64 end records are refused: nothing below 4 GiB needs one, and readers differ on a needless one.
"""

import re
import struct
from dataclasses import dataclass
from typing import Final

from pfn.wordpress.plugin_zip.limits import ZipLimits
from pfn.wordpress.plugin_zip.report import RefusalError, ZipCode

_SIGNATURE: Final = b"PK\x05\x06"
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
_RECORD: Final = struct.Struct("<4sHHHHIIH")
_ZIP64_LOCATOR_BYTES: Final = 20
_WINDOW_BYTES: Final = (1 << 16) + _RECORD.size + _ZIP64_LOCATOR_BYTES


@dataclass(frozen=True, slots=True)
class EndRecord:
    """The central directory's place: its offset and length in bytes, and how many entries it announces."""

    directory_offset: int
    directory_bytes: int
    entries: int


def read_end_record(view: memoryview, limits: ZipLimits) -> EndRecord:
    """Find the one end record, or raise RefusalError."""
    window_start = max(0, len(view) - _WINDOW_BYTES)
    window = bytes(view[window_start:])
    places = [
        match.start()
        for match in re.finditer(re.escape(_SIGNATURE), window)
        if match.start() + _RECORD.size <= len(window)
    ]
    if not places:
        raise RefusalError(ZipCode.NOT_A_ZIP, "This is not a zip file, or its end is missing.")
    place = _choose(window, places)
    comment = window[place + _RECORD.size :]
    if _SIGNATURE in comment:
        raise RefusalError(ZipCode.COMMENT_SIGNATURE, "The zip's comment holds the signature of an end record.")
    if len(comment) > limits.comment_bytes:
        raise RefusalError(
            ZipCode.COMMENT_TOO_LONG,
            f"The zip's comment has {len(comment)} bytes; {limits.comment_bytes} are allowed.",
        )
    if any(_can_be_followed(view, window, other) for other in places if other != place):
        raise RefusalError(
            ZipCode.SECOND_END_RECORD,
            "The zip has a second end record that some readers would follow to other contents.",
        )
    return _read(window, place, window_start)


def _choose(window: bytes, places: list[int]) -> int:
    """Take the record that, with its comment, ends where the file ends."""
    ends = [place + _RECORD.size + _RECORD.unpack_from(window, place)[7] for place in places]
    for place, end in zip(places, ends, strict=True):
        if end == len(window):
            return place
    if ends[-1] > len(window):
        raise RefusalError(ZipCode.TRUNCATED, "The zip ends within its comment.")
    raise RefusalError(ZipCode.TRAILING_DATA, f"{len(window) - ends[-1]} bytes follow the end of the zip.")


def _can_be_followed(view: memoryview, window: bytes, place: int) -> bool:
    """Tell whether a reader that takes this signature for the end record would find a directory."""
    _, _, _, _, entries, size, offset, _ = _RECORD.unpack_from(window, place)
    if entries == 0 or size == 0 or _has_zip64_locator(window, place):
        return True
    return bytes(view[offset : offset + len(_CENTRAL_SIGNATURE)]) == _CENTRAL_SIGNATURE


def _has_zip64_locator(window: bytes, place: int) -> bool:
    start = place - _ZIP64_LOCATOR_BYTES
    return start >= 0 and window.startswith(_ZIP64_LOCATOR, start)


def _read(window: bytes, place: int, window_start: int) -> EndRecord:
    _, disk, directory_disk, entries_here, entries, size, offset, _ = _RECORD.unpack_from(window, place)
    if _has_zip64_locator(window, place) or 0xFFFF in (entries_here, entries) or 0xFFFFFFFF in (size, offset):
        raise RefusalError(ZipCode.ZIP64, "The zip has a ZIP64 end record, which no plugin needs.")
    if disk or directory_disk:
        raise RefusalError(ZipCode.MULTIPLE_DISKS, "The zip is one part of an archive of several.")
    if entries_here != entries:
        raise RefusalError(ZipCode.ENTRY_COUNT, "The end record gives two different numbers of entries.")
    if offset + size != window_start + place:
        raise RefusalError(
            ZipCode.DIRECTORY_MISPLACED, "The central directory does not end where the end record begins."
        )
    return EndRecord(offset, size, entries)
