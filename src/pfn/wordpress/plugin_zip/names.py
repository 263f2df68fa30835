"""Names that mean the same file to every reader, on every file system.

Answers for the names and types of entries. It does not know WordPress.

The rules (facts: fetch and zip safety, ZIP rules 2, 5 and 6): bounded length and depth; UTF-8 that says so,
or ASCII; NFC; no control or bidirectional-override characters; no backslash, colon or leading slash; no
empty, ``.`` or ``..`` segment; no segment that ends in a dot or space or names a Windows device; unique after
case folding, in every segment; no file that is also a folder; folders without data; nothing but plain files
and folders.

Two rules are our own, for the sake of unzip: no name ends in ``;`` and digits, since it drops such a VMS version
and writes another file; and no name beyond ASCII comes from a DOS-like system without an extra field, since it
then takes UTF-8 for a DOS code page.
"""

import re
import stat
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from operator import itemgetter
from typing import Final

from pfn.wordpress.plugin_zip.directory import FLAG_UTF8, Entry
from pfn.wordpress.plugin_zip.limits import ZipLimits
from pfn.wordpress.plugin_zip.report import Finding, ZipCode

_DOS_FOLDER: Final = 0x10
_DOS_LABEL: Final = 0x08
_DOS_SYSTEMS: Final = (0, 6)
_EARLY_NTFS: Final = 11 << 8 | 50
_SEPARATOR: Final = "\0"
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_DEVICE: Final = r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])"
_FORBIDDEN: Final = (
    (_CONTROL, ZipCode.NAME_CONTROL, "a control or text-direction character"),
    (re.compile(r"\\"), ZipCode.NAME_BACKSLASH, "a backslash"),
    (re.compile(":"), ZipCode.NAME_COLON, "a colon"),
    (re.compile("^/"), ZipCode.NAME_ABSOLUTE, "a slash at its start"),
    (re.compile(r"(?:^|/)\.{0,2}(?:/|$)"), ZipCode.NAME_SEGMENT, "an empty, “.” or “..” segment"),
    (re.compile("[. ](?:/|$)"), ZipCode.NAME_TRAILING, "a segment that ends in a dot or space"),
    (
        re.compile(rf"(?:^|/){_DEVICE} *(?:[./]|$)", re.IGNORECASE),
        ZipCode.NAME_DEVICE,
        "a segment that Windows takes for a device",
    ),
    (re.compile(";[0-9]*$"), ZipCode.NAME_VERSION_SUFFIX, "a VMS version at its end"),
)
# Nearly every name is of this form, which breaks none of the rules above: one look instead of eight.
_SEGMENT: Final = rf"(?!{_DEVICE}(?:[./]|$))[\w-]++(?:\.[\w-]++)*+"
_ORDINARY: Final = re.compile(rf"(?:{_SEGMENT}/)*+{_SEGMENT}", re.ASCII | re.IGNORECASE)


def judge_names(entries: Sequence[Entry], limits: ZipLimits) -> Iterator[Finding]:
    """Yield what is wrong with the entries' names and types, one by one and with each other."""
    for entry in entries:
        path = entry.path
        name = path.removesuffix("/")
        if len(entry.raw_name) > limits.name_bytes:
            yield Finding(ZipCode.NAME_TOO_LONG, f"The name is longer than {limits.name_bytes} bytes.", path)
        if name.count("/") >= limits.depth:
            yield Finding(ZipCode.NAME_TOO_DEEP, f"The name has more than {limits.depth} segments.", path)
        if not _ORDINARY.fullmatch(name):
            yield from _judge_unusual(entry, name)
        for code, sentence in _judge_type(entry.attributes, is_folder=entry.is_folder):
            yield Finding(code, sentence, path)
        if entry.size and entry.is_folder:
            yield Finding(ZipCode.FOLDER_WITH_DATA, "The folder has data.", path)
    yield from _judge_together(entries)


def _judge_unusual(entry: Entry, name: str) -> Iterator[Finding]:
    if not (entry.raw_name.isascii() or (entry.flags & FLAG_UTF8 and _is_utf8(entry.raw_name))):
        yield Finding(
            ZipCode.NAME_ENCODING,
            "The name is not ASCII and not marked as UTF-8, so readers decode it differently.",
            entry.path,
        )
        return
    if not entry.raw_name.isascii() and not entry.has_extra and _is_dos(entry.made_by):
        yield Finding(ZipCode.NAME_DOS, "The name is not ASCII and made on DOS, so unzip reads it as DOS.", entry.path)
    if not unicodedata.is_normalized("NFC", name):
        yield Finding(ZipCode.NAME_NOT_NFC, "The name is not in Unicode normal form C.", entry.path)
    for pattern, code, what in _FORBIDDEN:
        if pattern.search(name):
            yield Finding(code, f"The name has {what}.", entry.path)
            break


def _is_dos(made_by: int) -> bool:
    """Tell whether unzip believes that the maker's system used DOS code pages."""
    return made_by >> 8 in _DOS_SYSTEMS or made_by == _EARLY_NTFS


def _is_utf8(raw_name: bytes) -> bool:
    try:
        raw_name.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@lru_cache(maxsize=64)
def _judge_type(attributes: int, *, is_folder: bool) -> tuple[tuple[ZipCode, str], ...]:
    """Judge the Unix mode in the upper half of the attributes and the DOS bits in the lower.

    Set-group-id and sticky bits of folders are let be: they are common on shared disks and mean nothing when
    copied.
    """
    mode = attributes >> 16
    kind = stat.S_IFMT(mode)
    found = []
    if kind == stat.S_IFLNK:
        found.append((ZipCode.SYMLINK, "The entry is a symbolic link."))
    elif kind not in (0, stat.S_IFREG, stat.S_IFDIR) or attributes & _DOS_LABEL:
        found.append((ZipCode.SPECIAL_FILE, "The entry is neither a file nor a folder."))
    elif is_folder and kind == stat.S_IFREG:
        found.append((ZipCode.TYPE_CONFLICT, "The entry is a folder by name and a file by mode."))
    elif not is_folder and (kind == stat.S_IFDIR or attributes & _DOS_FOLDER):
        found.append((ZipCode.TYPE_CONFLICT, "The entry is a file by name and a folder by mode."))
    if mode & (stat.S_ISUID if is_folder else stat.S_ISUID | stat.S_ISGID):
        found.append((ZipCode.SETUID, "The entry would run with its owner's rights."))
    return tuple(found)


def _judge_together(entries: Iterable[Entry]) -> Iterator[Finding]:
    """Compare neighbours in the order of their folded names.

    Names that share a folded beginning stand together in that order, with a file right before what lies below
    it; so of two names at odds, some two neighbours are at odds too.
    """
    folded = sorted(((_fold(entry.path), entry) for entry in entries), key=itemgetter(0))
    for (key, entry), (other_key, other) in pairwise(folded):
        if entry.path == other.path:
            yield Finding(ZipCode.NAME_DUPLICATE, "The name stands twice.", other.path)
        elif _differ_in_case(entry.path, other.path):
            yield Finding(
                ZipCode.NAME_COLLISION,
                f"The name differs from “{entry.path}” in upper and lower case only.",
                other.path,
            )
        elif key == other_key or (not entry.is_folder and other_key.startswith(key + _SEPARATOR)):
            yield Finding(ZipCode.FILE_IS_FOLDER, "A file and a folder have the same name.", other.path)


def _fold(path: str) -> str:
    """Make names equal that a file system may take for equal; the separator sorts before every character."""
    path = path.removesuffix("/").replace("/", _SEPARATOR)
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path.casefold())


def _differ_in_case(path: str, other: str) -> bool:
    """Tell whether the two names part in a segment that is the same once folded."""
    for segment, other_segment in zip(path.split("/"), other.split("/"), strict=False):
        if segment != other_segment:
            return _fold(segment) == _fold(other_segment)
    return False
