"""The central directory: what a zip says it holds.

Answers for reading every entry's record, and for what makes a single record unfit. It does not look at names
beyond decoding them, at the local headers, or at contents.

The rules (facts: fetch and zip safety, ZIP rules 2 and 4): the records fill the directory exactly and are as
many as announced; no comments, no encryption; methods stored and deflated only; version needed at most 4.5;
none of the flags that change how data is read. ZIP64 sizes are refused: an entry under 4 GiB does not need
them.
"""

import struct
from dataclasses import dataclass
from typing import Final

from pfn.wordpress.plugin_zip.end_record import EndRecord
from pfn.wordpress.plugin_zip.extra import read_extra
from pfn.wordpress.plugin_zip.limits import ZipLimits
from pfn.wordpress.plugin_zip.report import RefusalError, ZipCode

STORED: Final = 0
DEFLATED: Final = 8
FLAG_DESCRIPTOR: Final = 1 << 3
FLAG_UTF8: Final = 1 << 11
NEWEST_VERSION: Final = 45

_FLAGS_DEFLATE_LEVEL: Final = 1 << 1 | 1 << 2
_FLAGS_ALLOWED: Final = _FLAGS_DEFLATE_LEVEL | FLAG_DESCRIPTOR | FLAG_UTF8
_FLAGS_ENCRYPTION: Final = 1 << 0 | 1 << 6 | 1 << 13
_SIGNATURE: Final = b"PK\x01\x02"
_RECORD: Final = struct.Struct("<4sHHHHHHIIIHHHHHII")


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the central directory.

    ``path`` is the name as text, where undecodable bytes stand as backslash escapes; ``packed`` and ``size``
    are the bytes before and after unpacking; ``attributes`` are the external ones; ``offset`` is the local
    header's; ``made_by`` is the maker's system in the upper byte and its version in the lower.
    """

    path: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    attributes: int
    offset: int
    made_by: int
    has_extra: bool

    @property
    def is_folder(self) -> bool:
        """Whether the name says that this is a folder."""
        return self.path.endswith("/")


def read_directory(view: memoryview, end: EndRecord, limits: ZipLimits) -> list[Entry]:
    """Read every record of the central directory, in its order; raises RefusalError."""
    if end.entries > limits.entries:
        raise RefusalError(
            ZipCode.TOO_MANY_ENTRIES, f"The zip has {end.entries} entries; {limits.entries} are allowed."
        )
    if end.directory_bytes > limits.directory_bytes:
        raise RefusalError(
            ZipCode.DIRECTORY_TOO_LARGE,
            f"The central directory has {end.directory_bytes} bytes; {limits.directory_bytes} are allowed.",
        )
    directory = bytes(view[end.directory_offset : end.directory_offset + end.directory_bytes])
    entries: list[Entry] = []
    position = 0
    for _ in range(end.entries):
        entry, position = _read_entry(directory, position)
        entries.append(entry)
    if position != len(directory):
        raise RefusalError(ZipCode.ENTRY_COUNT, "The central directory holds more than the end record announces.")
    return entries


def _read_entry(directory: bytes, position: int) -> tuple[Entry, int]:
    """Read the record at ``position``: the entry, and where the next record begins."""
    if position + _RECORD.size > len(directory):
        raise RefusalError(ZipCode.ENTRY_COUNT, "The central directory holds less than the end record announces.")
    record = _RECORD.unpack_from(directory, position)
    signature, made_by, version, flags, method, _, _, crc, packed, size = record[:10]
    name_bytes, extra_bytes, comment_bytes, disk, _, attributes, offset = record[10:]
    name_end = position + _RECORD.size + name_bytes
    following = name_end + extra_bytes + comment_bytes
    if signature != _SIGNATURE or following > len(directory):
        raise RefusalError(ZipCode.DIRECTORY_CORRUPT, "The central directory is damaged.")
    raw_name = directory[name_end - name_bytes : name_end]
    path = raw_name.decode("utf-8", "backslashreplace")
    if disk:
        raise RefusalError(ZipCode.MULTIPLE_DISKS, "The entry lies in another part of a split archive.", path)
    if comment_bytes:
        raise RefusalError(ZipCode.ENTRY_COMMENT, "The entry has a comment of its own.", path)
    _check_readable(flags, method, version, path)
    zip64 = extra_bytes and read_extra(directory[name_end:following], raw_name, path) is not None
    if zip64 or 0xFFFFFFFF in (packed, size, offset):
        raise RefusalError(ZipCode.ZIP64, "The entry has ZIP64 sizes, which no plugin needs.", path)
    return Entry(
        path, raw_name, flags, method, crc, packed, size, attributes, offset, made_by, extra_bytes > 0
    ), following


def _check_readable(flags: int, method: int, version: int, path: str) -> None:
    """Refuse an entry that some readers cannot read, or read in their own way."""
    if flags & _FLAGS_ENCRYPTION:
        raise RefusalError(ZipCode.ENCRYPTED, "The entry is encrypted.", path)
    if flags & ~_FLAGS_ALLOWED:
        raise RefusalError(ZipCode.FLAG_UNSUPPORTED, f"The entry has unknown flags ({flags:#06x}).", path)
    if method not in (STORED, DEFLATED):
        raise RefusalError(ZipCode.METHOD_UNSUPPORTED, f"The entry is packed with method {method}.", path)
    if version > NEWEST_VERSION:
        raise RefusalError(
            ZipCode.VERSION_UNSUPPORTED, f"The entry needs version {version / 10} of the zip format.", path
        )
