"""The extra fields of a zip's headers, where readers hide second opinions.

Answers for their form and for the two that could make readers differ: a second name and ZIP64 sizes. All
others (times, owners) are passed over.

The rules (facts: fetch and zip safety, ZIP rule 4): the fields fill their space exactly; no id stands twice;
a Unicode path equals the name. One rule is our own: no ASi Unix field, since unzip takes the mode from it,
and so makes a symbolic link, where the header gives none.
"""

import struct
import zlib
from typing import Final

from pfn.wordpress.plugin_zip.report import RefusalError, ZipCode

_ZIP64_ID: Final = 0x0001
_UNICODE_PATH_ID: Final = 0x7075
_ASI_UNIX_ID: Final = 0x756E
_FIELD: Final = struct.Struct("<HH")


def read_extra(blob: bytes, raw_name: bytes, path: str) -> bytes | None:
    """Check a header's extra fields and return the ZIP64 one's data, or None; raises RefusalError."""
    fields: dict[int, bytes] = {}
    position = 0
    while position < len(blob):
        start = position + _FIELD.size
        if start > len(blob):
            raise RefusalError(ZipCode.EXTRA_MALFORMED, "The extra fields of an entry are cut off.", path)
        field, length = _FIELD.unpack_from(blob, position)
        position = start + length
        if position > len(blob):
            raise RefusalError(ZipCode.EXTRA_MALFORMED, "The extra fields of an entry are cut off.", path)
        if field in fields:
            raise RefusalError(ZipCode.EXTRA_DUPLICATE, f"The entry has the extra field {field:#06x} twice.", path)
        fields[field] = blob[start:position]
    unicode_path = fields.get(_UNICODE_PATH_ID)
    if unicode_path is not None and unicode_path != _unicode_path(raw_name):
        raise RefusalError(ZipCode.UNICODE_PATH, "The entry has a second name that differs from the first.", path)
    if _ASI_UNIX_ID in fields:
        raise RefusalError(ZipCode.MODE_EXTRA, "The entry has a second Unix mode in an extra field.", path)
    return fields.get(_ZIP64_ID)


def _unicode_path(raw_name: bytes) -> bytes:
    """Give the Unicode path field that says nothing new: version 1, the name's CRC, the name."""
    return struct.pack("<BI", 1, zlib.crc32(raw_name)) + raw_name
