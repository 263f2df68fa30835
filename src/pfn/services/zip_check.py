"""Judge zips in other processes, so that inflating strangers' bytes never holds up a reader.

The processes start with the first zip and share nothing with this one; one that dies (out of memory, say) is a
refusal of the zip it worked on, not the end of the node.
"""

import asyncio
import mmap
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from pfn.protocol.errors import Code, PfnError
from pfn.wordpress.plugin_zip import ZipReport, inspect_zip


class ZipCheck:
    """A pool of judges."""

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None

    async def inspect(self, path: Path, *, slug: str, version: str) -> ZipReport:
        """Judge the zip in a file. Raises PfnError (``zip_refused``) where the judge did not survive it."""
        if self._pool is None:
            # "spawn" shares no locks and no connections with this process.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, _inspect, path, slug, version)
        except BrokenProcessPool as error:
            self._pool = None
            raise PfnError(Code.ZIP_REFUSED, "The zip could not be judged: the check did not survive it.") from error

    def close(self) -> None:
        """Stop the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _inspect(path: Path, slug: str, version: str) -> ZipReport:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return inspect_zip(b"", slug=slug, version=version)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return inspect_zip(data, slug=slug, version=version)
