"""The lock of a data folder: who uses it, and whether anybody else does.

Every process on a folder holds ``node.lock`` shared for as long as it runs. One that can have it to itself at its start
is alone: whatever lies about there was left by a crash, and it may clear that away before it shares the lock. Whoever
comes meanwhile waits. The system frees the lock of a process that ends, however it ends.
"""

import asyncio
import fcntl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TextIO

from pfn.protocol.errors import Code, PfnError

LOCK_NAME = "node.lock"
_ASK_AGAIN_S = 0.02


class FolderLock:
    """A hold on a data folder. ``alone`` says that no other process is on it; it ends with ``share``."""

    def __init__(self, file: TextIO, *, alone: bool) -> None:
        self._file = file
        self.alone = alone

    async def share(self) -> None:
        """Let others in. Until this returns another may still be clearing away: begin no work before."""
        self.alone = False
        # The system may let another have the lock to itself first; asked again and again, for that may be one of this
        # loop's, which a waiting call would hold up.
        while not _lock(self._file, fcntl.LOCK_SH):  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(_ASK_AGAIN_S)


@asynccontextmanager
async def hold_folder(data: Path) -> AsyncIterator[FolderLock]:
    """Hold a data folder, which must be there, while the block runs."""
    with (data / LOCK_NAME).open("w") as file:
        lock = FolderLock(file, alone=_lock(file, fcntl.LOCK_EX))
        if not lock.alone:
            await lock.share()
        yield lock


@contextmanager
def hold_alone(folder: Path, refusal: str) -> Iterator[None]:
    """Hold a folder, which must be there, against everybody else while the block runs.

    Raises PfnError (``wrong_state``) with the sentence ``refusal`` where somebody is on it.
    """
    with (folder / LOCK_NAME).open("a") as file:
        if not _lock(file, fcntl.LOCK_EX):
            raise PfnError(Code.WRONG_STATE, refusal)
        yield


def _lock(file: TextIO, how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
