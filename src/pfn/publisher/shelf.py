"""The site as it is now: read again when the folder changes, so that what is added is served without a restart.

A change is a new catalogue or key document, the last files that every command writes. A folder that cannot be read is
said so in the log, and what was read before is served on.
"""

import asyncio
from pathlib import Path
from typing import TypeAlias

import structlog

from pfn.protocol.errors import PfnError
from pfn.publisher import paths
from pfn.publisher.folder import PublisherFolder
from pfn.publisher.signed import read_signed
from pfn.publisher.site import Site, make_site

log = structlog.get_logger()

# Inode, size and time of change: another file has another stamp.
Stamp: TypeAlias = tuple[int, int, int]


class Shelf:
    """Keeps the site of a folder up to date. Documents are read in a thread, never on the event loop.

    ``current`` is the site as it was last read. Making one reads the folder: raises PfnError like ``read_signed``.
    """

    def __init__(self, folder: PublisherFolder) -> None:
        self.folder = folder
        self._reading = asyncio.Lock()
        self._stamps = self._read_stamps()
        self.current = make_site(folder, read_signed(folder))

    async def site(self) -> Site:
        """Give the site; the very same object for as long as nothing changes."""
        if self._read_stamps() != self._stamps:
            async with self._reading:
                await asyncio.to_thread(self._read)
        return self.current

    def _read(self) -> None:
        stamps = self._read_stamps()
        if stamps == self._stamps:
            return
        try:
            self.current = make_site(self.folder, read_signed(self.folder))
        except PfnError as error:
            log.warning("publisher_unreadable", code=error.code.slug, why=error.detail)
        # Last: until then whoever asks waits for what is new, and is not told of what was before.
        self._stamps = stamps

    def _read_stamps(self) -> tuple[Stamp | None, ...]:
        return tuple(_read_stamp(self.folder.signed / name) for name in (paths.CATALOG, paths.PUBLISHER))


def _read_stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
