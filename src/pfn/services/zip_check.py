"""Judge zips in other processes, once per digest, so that inflating strangers' bytes never holds up a reader.

The processes start with the first zip, end with this one and share nothing with it. One that dies (out of memory, say)
is a refusal of the zip it worked on, not the end of the node. A digest that was judged under today's rules is not
judged again, whoever brings it.
"""

import asyncio
import mmap
import multiprocessing
import multiprocessing.connection
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from pfn.domain.zip_verdict import ZipVerdict, from_report
from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import Database
from pfn.storage.zip_verdict import find_verdict
from pfn.wordpress.plugin_zip import ZipReport, inspect_zip


class ZipCheck:
    """A pool of judges."""

    def __init__(self, database: Database, workers: int) -> None:
        self._database = database
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._alone = asyncio.Lock()

    async def judge(self, path: Path, sha256: str) -> ZipVerdict:
        """Give the verdict on the zip in a file. Raises PfnError (``zip_refused``) where no judge survived it."""
        async with self._database.read() as connection:
            known = await find_verdict(connection, sha256)
        if known is not None:
            return known
        if self._pool is None:
            self._pool = _open_pool(self._workers)
        pool = self._pool
        try:
            report = await _run(pool, path)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            report = await self._judge_alone(path)
        return from_report(report)

    async def _judge_alone(self, path: Path) -> ZipReport:
        """Judge once more in a process of its own: the one that died may have died of another zip."""
        async with self._alone:
            pool = _open_pool(1)
            try:
                return await _run(pool, path)
            except BrokenProcessPool as error:
                sentence = "The zip could not be judged: the check did not survive it."
                raise PfnError(Code.ZIP_REFUSED, sentence) from error
            finally:
                pool.shutdown(wait=False)

    def close(self) -> None:
        """Stop the processes."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _open_pool(workers: int) -> ProcessPoolExecutor:
    # "spawn" shares no locks and no connections with this process.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_follow_parent)


async def _run(pool: ProcessPoolExecutor, path: Path) -> ZipReport:
    return await asyncio.get_running_loop().run_in_executor(pool, _inspect, path)


def _follow_parent() -> None:
    """End this process when the node does, however it ended: a killed node must leave nobody behind."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # it runs in a child only

    def watch() -> None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _inspect(path: Path) -> ZipReport:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return inspect_zip(b"")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return inspect_zip(data)
