"""Judge zips in other processes, once per digest, so that inflating strangers' bytes never holds up a reader.

The processes start with the first zip, end with this one and share nothing with it. One that dies (out of memory, say)
is a refusal of the zip it worked on, not the end of the node. A digest that was judged under today's rules is not
judged again, whoever brings it.
"""

import asyncio
import multiprocessing
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from pfn.domain.zip_verdict import ZipVerdict
from pfn.protocol.errors import Code, PfnError
from pfn.services.zip_judge import follow_parent, judge_all
from pfn.storage.database import Database
from pfn.storage.zip_verdict import find_verdicts
from pfn.tracing import span

# So many go to a judge together: to ask and to send costs more than a small zip itself.
_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class _Asked:
    """A zip that waits for its verdict."""

    path: Path
    sha256: str
    verdict: asyncio.Future[ZipVerdict]


class ZipCheck:
    """A pool of judges. Who asks while all are busy waits, and is asked for together with whoever waits then."""

    def __init__(self, database: Database, workers: int) -> None:
        self._database = database
        self._workers = workers
        self._pool: ProcessPoolExecutor | None = None
        self._alone = asyncio.Lock()
        self._waiting: deque[_Asked] = deque()
        self._rounds: set[asyncio.Task[None]] = set()

    async def judge(self, path: Path, sha256: str) -> ZipVerdict:
        """Give the verdict on the zip in a file. Raises PfnError (``zip_refused``) where no judge survived it."""
        asked = _Asked(path, sha256, asyncio.get_running_loop().create_future())
        self._waiting.append(asked)
        # One more than there are judges: each finds the next zips ready.
        if len(self._rounds) <= self._workers:
            following = asyncio.create_task(self._judge_waiting())
            self._rounds.add(following)
        return await asked.verdict

    async def _judge_waiting(self) -> None:
        try:
            await self._judge_rounds()
        finally:
            # In the same step as the look that found nobody waiting, or who comes in between would wait for ever.
            current = asyncio.current_task()
            assert current is not None  # it is one of them
            self._rounds.discard(current)

    async def _judge_rounds(self) -> None:
        while self._waiting:
            some = [self._waiting.popleft() for _ in range(min(_TOGETHER, len(self._waiting)))]
            # Who was cancelled has taken its file away.
            some = [one for one in some if not one.verdict.done()]
            try:
                for one, outcome in zip(some, await self._judge(some), strict=True):
                    _answer(one, outcome)
            except BaseException as error:
                for one in some:
                    _answer(one, error)
                if not isinstance(error, Exception):
                    raise

    async def _judge(self, some: Sequence[_Asked]) -> Sequence[ZipVerdict | Exception]:
        async with self._database.read() as connection:
            known = await find_verdicts(connection, {one.sha256 for one in some})
        # The same bytes once, whoever brings them.
        fresh = {one.sha256: one.path for one in some if one.sha256 not in known}
        with span("judge", {"pfn.zips": len(fresh)}):
            judged = dict(zip(fresh, await self._inspect(list(fresh.values())), strict=True))
        return [known.get(one.sha256) or judged[one.sha256] for one in some]

    async def _inspect(self, paths: Sequence[Path]) -> Sequence[ZipVerdict | Exception]:
        if not paths:
            return []
        if self._pool is None:
            self._pool = _open_pool(self._workers)
        pool = self._pool
        try:
            return await _run(pool, paths)
        except BrokenProcessPool:
            if self._pool is pool:
                self._pool = None
            return [await self._judge_alone(path) for path in paths]

    async def _judge_alone(self, path: Path) -> ZipVerdict | Exception:
        """Judge once more in a process of its own: the one that died may have died of another zip."""
        async with self._alone:
            pool = _open_pool(1)
            try:
                return (await _run(pool, [path]))[0]
            except BrokenProcessPool:
                return PfnError(Code.ZIP_REFUSED, "The zip could not be judged: the check did not survive it.")
            finally:
                pool.shutdown(wait=False)

    def close(self) -> None:
        """Stop the processes."""
        for running in self._rounds:
            running.cancel()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None


def _answer(asked: _Asked, outcome: ZipVerdict | BaseException) -> None:
    if asked.verdict.done():
        return
    if isinstance(outcome, asyncio.CancelledError):
        asked.verdict.cancel()
    elif isinstance(outcome, BaseException):
        asked.verdict.set_exception(outcome)
    else:
        asked.verdict.set_result(outcome)


def _open_pool(workers: int) -> ProcessPoolExecutor:
    # "spawn" shares no locks and no connections with this process.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=follow_parent)


async def _run(pool: ProcessPoolExecutor, paths: Sequence[Path]) -> Sequence[ZipVerdict | Exception]:
    return await asyncio.get_running_loop().run_in_executor(pool, judge_all, paths)
