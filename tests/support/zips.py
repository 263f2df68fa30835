"""Zips made by hand, with every field of every record open to lies."""

import io
import struct
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

MAIN = b"<?php\n/*\nPlugin Name: Sample\nVersion: 1.2.3\nLicense: GPL-2.0-or-later\n*/\n"
STYLE = b"/*\nTheme Name: Sample\nVersion: 1.2.3\nLicense: GPL-2.0-or-later\n*/\n"
DESCRIPTOR_SIGNATURE = b"PK\x07\x08"


@dataclass
class Member:
    """One entry; ``local`` and ``central`` override fields of one header: version, flags, method, crc,
    packed, size, name, extra, and of the central one also comment, disk, attributes, offset, made_by.

    ``descriptor``: its length, 12 or 16 (with signature), 20 or 24 with 8-byte sizes, or the bytes to put.
    ``data`` stands for the packed bytes. ``before`` is put before the local header.
    """

    name: str | bytes
    content: bytes = b""
    method: int = 8
    mode: int | None = None
    extra: bytes = b""
    descriptor: int | bytes | None = None
    data: bytes | None = None
    before: bytes = b""
    local: Mapping[str, int | bytes] = field(default_factory=dict)
    central: Mapping[str, int | bytes] = field(default_factory=dict)

    @property
    def raw_name(self) -> bytes:
        return self.name.encode() if isinstance(self.name, str) else self.name

    def fields(self) -> dict:
        folder = self.raw_name.endswith(b"/")
        packed = self.data if self.data is not None else deflate(self.content) if self.method == 8 else self.content
        mode = self.mode if self.mode is not None else 0o40755 if folder else 0o100644
        return {
            "version": 20,
            "flags": (0 if self.raw_name.isascii() else 0x800) | (8 if self.descriptor else 0),
            "method": self.method,
            "crc": zlib.crc32(self.content),
            "packed": len(packed),
            "size": len(self.content),
            "name": self.raw_name,
            "extra": self.extra,
            "comment": b"",
            "disk": 0,
            "attributes": mode << 16 | (0x10 if folder else 0),
            "made_by": 3 << 8 | 20,
            "data": packed,
        }


def deflate(content: bytes, level: int = 6) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


def extra_field(number: int, data: bytes) -> bytes:
    return struct.pack("<HH", number, len(data)) + data


def local_header(values: Mapping) -> bytes:
    lengths = len(values["name"]), len(values["extra"])
    numbers = (values[key] for key in ("version", "flags", "method"))
    sizes = (values[key] for key in ("crc", "packed", "size"))
    return (
        struct.pack("<4sHHHHHIIIHH", b"PK\3\4", *numbers, 0, 0x5821, *sizes, *lengths)
        + values["name"]
        + values["extra"]
    )


def central_header(values: Mapping, offset: int) -> bytes:
    lengths = (len(values[key]) for key in ("name", "extra", "comment"))
    head = struct.pack(
        "<4sHHHHHHIIIHHHHHII",
        b"PK\1\2",
        *(values[key] for key in ("made_by", "version", "flags", "method")),
        *(0, 0x5821),
        *(values[key] for key in ("crc", "packed", "size")),
        *lengths,
        values["disk"],
        0,
        values["attributes"],
        values.get("offset", offset),
    )
    return head + values["name"] + values["extra"] + values["comment"]


def end_record(
    entries: int, size: int, offset: int, comment: bytes = b"", lies: Mapping[str, int] | None = None
) -> bytes:
    values = {
        "disk": 0,
        "directory_disk": 0,
        "here": entries,
        "entries": entries,
        "size": size,
        "offset": offset,
    }
    values |= {"comment_bytes": len(comment)} | dict(lies or {})
    return struct.pack("<4sHHHHIIH", b"PK\5\6", *values.values()) + comment


def descriptor_bytes(values: Mapping, length: int) -> bytes:
    form = "<III" if length in (12, 16) else "<IQQ"
    plain = struct.pack(form, values["crc"], values["packed"], values["size"])
    return (DESCRIPTOR_SIGNATURE if length in (16, 24) else b"") + plain


def build(
    *members: Member,
    comment: bytes = b"",
    prefix: bytes = b"",
    before_directory: bytes = b"",
    before_end: bytes = b"",
    suffix: bytes = b"",
    central_order: list[int] | None = None,
    end: Mapping[str, int] | None = None,
) -> bytes:
    """Lay the members out as told; what is not told is honest (offsets count the prefix)."""
    body = bytearray(prefix)
    centrals = []
    for member in members:
        values = member.fields()
        body += member.before
        offset = len(body)
        local = dict(values)
        if member.descriptor:
            local |= {"crc": 0, "packed": 0, "size": 0}
        body += local_header(local | dict(member.local)) + values["data"]
        if isinstance(member.descriptor, int):
            body += descriptor_bytes(values, member.descriptor)
        elif member.descriptor:
            body += member.descriptor
        centrals.append(central_header(values | dict(member.central), offset))
    body += before_directory
    directory = b"".join(centrals[index] for index in central_order or range(len(centrals)))
    record = end_record(len(centrals), len(directory), len(body), comment, end)
    return bytes(body) + directory + before_end + record + suffix


def plugin(*more: Member, slug: str = "sample", main: bytes = MAIN, **options) -> bytes:
    """An honest plugin zip with further members, which need not be honest."""
    return build(Member(f"{slug}/{slug}.php", main), *more, **options)


def python_zip(files: Mapping[str, bytes], *, to_pipe: bool = False, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """What Python's zipfile writes, to a file or to a pipe (with data descriptors)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(_Pipe(buffer) if to_pipe else buffer, "w", method) as archive:
        for path, content in files.items():
            archive.writestr(path, content)
    return buffer.getvalue()


class _Pipe(io.RawIOBase):
    """A stream that can be written only."""

    def __init__(self, buffer: io.BytesIO) -> None:
        self._buffer = buffer

    def writable(self) -> bool:
        return True

    def write(self, data) -> int:
        return self._buffer.write(data)
