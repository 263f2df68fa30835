"""The local headers: the entries lie end to end and say what the central directory says.

Answers for every byte before the central directory belonging to exactly one entry. It does not unpack.

The rules (facts: fetch and zip safety, ZIP rules 3 and 4): in the order of their offsets, each local header
with its data and descriptor ends exactly where the next begins, the first at 0, the last at the central
directory. That alone kills overlaps, hidden entries, prefixes and polyglots. Local and central header agree
on name, method, flags, CRC and sizes; with the descriptor flag each of CRC and sizes may also be 0 in the
local one (zip to a pipe sets some of them), and then a descriptor must follow, with the central values.

Sizes kept in a local ZIP64 field are read when the header says that they are there: some makers reserve that
room before they know the sizes. Only then may the descriptor have 8-byte sizes.
"""

import struct
from typing import Final

from pfn.wordpress.plugin_zip.directory import FLAG_DESCRIPTOR, NEWEST_VERSION, Entry
from pfn.wordpress.plugin_zip.extra import read_extra
from pfn.wordpress.plugin_zip.report import RefusalError, ZipCode

_SIGNATURE: Final = b"PK\x03\x04"
_DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"
_HEADER: Final = struct.Struct("<4sHHHHHIIIHH")
_DESCRIPTOR: Final = struct.Struct("<III")
_DESCRIPTOR64: Final = struct.Struct("<IQQ")
_ZIP64_SIZES: Final = struct.Struct("<QQ")
_IN_ZIP64: Final = 0xFFFFFFFF


def lay_out(view: memoryview, entries: list[Entry], directory_offset: int) -> list[tuple[Entry, memoryview]]:
    """Pair every entry with its packed data, in the order of the file; raises RefusalError."""
    ordered = sorted(entries, key=lambda entry: entry.offset)
    first = ordered[0].offset if ordered else directory_offset
    if first > 0:
        raise RefusalError(ZipCode.LEADING_DATA, f"{first} bytes stand before the first entry.")
    if ordered and ordered[-1].offset + _HEADER.size > directory_offset:
        path = ordered[-1].path
        raise RefusalError(ZipCode.LOCAL_HEADER_MISSING, "The entry is not where the directory says.", path)
    ends = [entry.offset for entry in ordered[1:]] + [directory_offset]
    return [(entry, _find_data(view, entry, end)) for entry, end in zip(ordered, ends, strict=False)]


def _find_data(view: memoryview, entry: Entry, end: int) -> memoryview:
    """Check the local header of ``entry``, whose room ends at ``end``, and return its packed data."""
    header = _HEADER.unpack_from(view, entry.offset)
    signature, version, flags, method, _, _, crc, packed, size, name_bytes, extra_bytes = header
    if signature != _SIGNATURE:
        raise RefusalError(ZipCode.LOCAL_HEADER_MISSING, "The entry is not where the directory says.", entry.path)
    name_end = entry.offset + _HEADER.size + name_bytes
    start = name_end + extra_bytes
    data_end = start + entry.packed
    if data_end > end:
        raise RefusalError(ZipCode.OVERLAP, "The entry reaches into what follows it.", entry.path)
    if view[name_end - name_bytes : name_end] != entry.raw_name:
        raise RefusalError(ZipCode.MISMATCH_NAME, "The entry has another name in its local header.", entry.path)
    if flags != entry.flags:
        raise RefusalError(ZipCode.MISMATCH_FLAGS, "The entry has other flags in its local header.", entry.path)
    if method != entry.method:
        raise RefusalError(ZipCode.MISMATCH_METHOD, "The entry has another method in its local header.", entry.path)
    if version > NEWEST_VERSION:
        raise RefusalError(
            ZipCode.VERSION_UNSUPPORTED,
            f"The entry needs version {version / 10} of the zip format.",
            entry.path,
        )
    zip64 = read_extra(bytes(view[name_end:start]), entry.raw_name, entry.path) if extra_bytes else None
    if zip64 is not None or packed == _IN_ZIP64 or size == _IN_ZIP64:
        size, packed = _zip64_sizes(zip64, packed, size, entry)
    _check_agreement(entry, crc, packed, size)
    _check_room_after(view[data_end:end], entry, wide=zip64 is not None)
    return view[start:data_end]


def _zip64_sizes(field: bytes | None, packed: int, size: int, entry: Entry) -> tuple[int, int]:
    """Read the local sizes, unpacked and packed, out of a ZIP64 field that holds just these two."""
    if field is None or len(field) != _ZIP64_SIZES.size or not packed == size == _IN_ZIP64:
        raise RefusalError(ZipCode.ZIP64, "The entry has a ZIP64 field that its header does not need.", entry.path)
    size, packed = _ZIP64_SIZES.unpack(field)
    return size, packed


def _check_agreement(entry: Entry, crc: int, packed: int, size: int) -> None:
    unknown = (0,) if entry.flags & FLAG_DESCRIPTOR else ()
    if crc not in (entry.crc, *unknown):
        raise RefusalError(ZipCode.MISMATCH_CRC, "The entry has another CRC in its local header.", entry.path)
    if packed not in (entry.packed, *unknown) or size not in (entry.size, *unknown):
        raise RefusalError(ZipCode.MISMATCH_SIZE, "The entry has other sizes in its local header.", entry.path)


def _check_room_after(room: memoryview, entry: Entry, *, wide: bool) -> None:
    """Refuse anything between the data and the next entry but the descriptor that the flags announce."""
    if not entry.flags & FLAG_DESCRIPTOR:
        if len(room):
            raise RefusalError(ZipCode.GAP, f"{len(room)} bytes after the entry belong to no entry.", entry.path)
        return
    forms = [_DESCRIPTOR, _DESCRIPTOR64] if wide else [_DESCRIPTOR]
    plain = [form.pack(entry.crc, entry.packed, entry.size) for form in forms]
    if room not in [*plain, *(_DESCRIPTOR_SIGNATURE + descriptor for descriptor in plain)]:
        raise RefusalError(
            ZipCode.DESCRIPTOR,
            "The entry's data is not followed by a descriptor with its CRC and sizes.",
            entry.path,
        )
