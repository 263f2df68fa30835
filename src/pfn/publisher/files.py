"""Files on the publisher's own disk: each appears whole or not at all, and one writer at a time.

A file is written beside its place, flushed, and renamed; then its folder is flushed. So after a power cut it is the old
one or the new one. Names that begin with a dot and end in ``.new`` are what an interrupted write leaves; they are no
one's and may go.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from pfn.protocol.errors import Code, PfnError

PUBLIC_MODE: Final = 0o644
SECRET_MODE: Final = 0o600


def write_file(path: Path, content: bytes, *, mode: int = PUBLIC_MODE) -> None:
    """Write a file in place of the one that may be there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    _put_in_place(unfinished, path)


def copy_file(source: Path, path: Path) -> None:
    """Copy a file in place of the one that may be there. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = _unfinished(path)
    with source.open("rb") as given, unfinished.open("wb") as file:
        shutil.copyfileobj(given, file)
        file.flush()
        os.fsync(file.fileno())
    _put_in_place(unfinished, path)


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Write in ``folder``, alone. Raises PfnError (``config_invalid``) while another does, and for every OSError."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)
    except BlockingIOError as error:
        raise PfnError(
            Code.CONFIG_INVALID, f"Another command is writing in {folder}; wait until it is done."
        ) from error
    except OSError as error:
        raise PfnError(Code.CONFIG_INVALID, f"Cannot use {error.filename or folder}: {error.strerror}.") from error


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.new")


def _put_in_place(unfinished: Path, path: Path) -> None:
    unfinished.replace(path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
