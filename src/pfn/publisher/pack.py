"""From a plugin's folder to its zip: the same files give the same bytes, so a digest says what was published.

Answers for the layout WordPress installs (facts: client contracts 3g): one top folder, named as the folder
packed. It does not read headers, judge the plugin or sign.

The rules: names sorted, one fixed time, mode 0644, deflate, no directory entries. What version control and
desktops leave in folders stays behind; other hidden files, ``.htaccess`` for one, belong to the plugin. A
symbolic link is refused, since its target may lie outside. The bytes are equal wherever the same zlib is;
another zlib may deflate the same files to other bytes.
"""

import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_LONG_AGO: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3
_REGULAR_0644: Final = 0o100644
_LEVEL: Final = 9
_LEFT_BEHIND: Final = frozenset(
    {".git", ".gitattributes", ".github", ".gitignore", ".hg", ".svn", ".DS_Store", "Thumbs.db", "__MACOSX"}
)


def pack_folder(folder: Path, target: Path) -> Path:
    """Write the zip of ``folder`` to ``target``, whole or not at all, and return ``target``.

    A ``target`` already there is replaced; its parent must exist. Raises ``ValueError`` when the folder
    holds no file or holds a symbolic link, and ``OSError`` when a file cannot be read or the zip not be
    written.
    """
    folder = folder.resolve()
    files = sorted(_files(folder), key=lambda path: path.relative_to(folder).as_posix())
    if not files:
        raise ValueError(f"there is no file to pack in {folder}")
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(unfinished, "w") as archive:
            for path in files:
                archive.writestr(_entry(folder, path), path.read_bytes(), zipfile.ZIP_DEFLATED, _LEVEL)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _files(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _LEFT_BEHIND:
            continue
        if path.is_symlink():
            raise ValueError(f"{path} is a symbolic link; a plugin's zip holds files only")
        if path.is_dir():
            yield from _files(path)
        else:
            yield path


def _entry(folder: Path, path: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", _LONG_AGO)
    entry.create_system = _UNIX
    entry.external_attr = _REGULAR_0644 << 16
    return entry
