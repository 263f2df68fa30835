"""Heavy work in a process of its own, so that nothing it does holds up a reader (docs/decisions/014).

The process that serves claims, keeps and ends every lease as it did; only the doing goes elsewhere: to one process at
a low priority, which starts when there is something to do and ends when there was nothing for a while. Whatever it
does is in rows and files; between the two go what is to be done, and how it ended. It ends when the one that serves
does, however that ended: its end of the socket closes. The other half is ``cli.work_process``.
"""

import asyncio
import contextlib
import os
import pickle
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import structlog

from pfn.app.prepare import Prepared
from pfn.domain.schedule import Outcome, Work
from pfn.protocol.errors import Code, PfnError
from pfn.services.lease import Lease
from pfn.services.sync_progress import SyncProgress
from pfn.tracing import Trail, leave_trail

log = structlog.get_logger()

HEAVY: Final = frozenset({Work.SYNC, Work.PEER, Work.RECHECK, Work.SCRUB, Work.COLLECT})
"""Work that reads, hashes or writes much; the rest is a request or two and stays where it is."""
_IDLE_S: Final = 30.0
_CLOSE_S: Final = 10.0
_NICE: Final = 10


@dataclass(frozen=True, slots=True)
class DoWork:
    """Do what a lease is for."""

    number: int
    lease: Lease
    trail: Trail


@dataclass(frozen=True, slots=True)
class DoSync:
    """Sync a source for somebody who waits for it; ``sync_id`` is the row of its progress."""

    number: int
    source_id: str
    sync_id: int
    recheck: bool
    retry_all: bool
    trail: Trail


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give back what was asked for under this number."""

    number: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended. ``error`` is an error's code, detail, internal and retry_after; neither where it was cancelled."""

    number: int
    outcome: Outcome | None = None
    error: tuple[Code, str, str | None, int | None] | None = None


class WorkProcess:
    """The other process, as those who have work for it see it; ``command`` is followed by the number of its socket."""

    def __init__(self, prepared: Prepared, command: Sequence[str]) -> None:
        self._prepared = prepared
        self._command = command
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._resting: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._last = 0
        self._changing = asyncio.Lock()

    async def do(self, lease: Lease) -> Outcome:
        """Do what a lease is for, which is kept here. Raises PfnError as the work does."""
        self._last += 1
        return await self._ask(DoWork(self._last, lease, leave_trail()))

    async def run(self, source_id: str, progress: SyncProgress, *, recheck: bool, retry_all: bool) -> Outcome:
        """Sync a source, as ``services.sync_run`` does."""
        assert progress.sync_id is not None  # a person's sync has its row from the start
        self._last += 1
        return await self._ask(DoSync(self._last, source_id, progress.sync_id, recheck, retry_all, leave_trail()))

    async def close(self) -> None:
        """End the process; what it was doing is given back."""
        if self._resting is not None:
            self._resting.cancel()
        async with self._changing:
            await self._stop()

    async def _ask(self, what: DoWork | DoSync) -> Outcome:
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        try:
            async with self._changing:
                self._waiting[what.number] = answer
                pipe = self._pipe or await self._start()
            await send(pipe, what)
            return await answer
        except asyncio.CancelledError:
            await asyncio.shield(self._cancel(what.number, answer))
            raise
        except OSError as error:
            raise _broken() from error
        finally:
            del self._waiting[what.number]
            if self._resting is None or self._resting.done():
                self._resting = asyncio.create_task(self._rest(), name="end the idle work process")

    async def _cancel(self, number: int, answer: "asyncio.Future[Outcome]") -> None:
        if self._pipe is None or answer.done():
            return
        with contextlib.suppress(OSError):
            await send(self._pipe, Cancel(number))
        # What it had begun is cleared up before anybody else may begin it.
        await asyncio.wait({answer}, timeout=_CLOSE_S)

    async def _start(self) -> asyncio.StreamWriter:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                pass_fds=[theirs.fileno()],
                # A Ctrl-C is for the process that serves, which ends this one.
                start_new_session=True,
            )
        _stand_back(self._process.pid)
        reader, self._pipe = await asyncio.open_unix_connection(sock=ours)
        self._reading = asyncio.create_task(self._read(reader), name="read from the work process")
        await send(self._pipe, self._prepared)
        return self._pipe

    async def _read(self, answers: asyncio.StreamReader) -> None:
        async for ended in receive(answers):
            waiting = self._waiting.get(ended.number)
            if waiting is not None and not waiting.done():
                _settle(waiting, ended)
        self._pipe = None
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(_broken())

    async def _rest(self) -> None:
        while True:
            last = self._last
            await asyncio.sleep(_IDLE_S)
            async with self._changing:
                if not self._waiting and self._last == last:
                    await self._stop()
                    return

    async def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._pipe is not None:
            with contextlib.suppress(OSError):
                await send(self._pipe, None)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await process.wait()
        except TimeoutError:
            log.warning("work_process_killed")
            process.kill()
            await process.wait()
        pipe = self._pipe
        if self._reading is not None:
            await self._reading
        if pipe is not None:
            pipe.close()


@asynccontextmanager
async def work_elsewhere(prepared: Prepared, command: Sequence[str]) -> AsyncIterator[WorkProcess | None]:
    """Have the other process for as long as the block runs; None without a command."""
    if not command:
        yield None
        return
    elsewhere = WorkProcess(prepared, command)
    try:
        yield elsewhere
    finally:
        await elsewhere.close()


async def send(pipe: asyncio.StreamWriter, message: object) -> None:
    """Send a message to the other half. Raises OSError where it is gone."""
    data = pickle.dumps(message)
    pipe.write(len(data).to_bytes(4, "big") + data)
    await pipe.drain()


async def receive(pipe: asyncio.StreamReader) -> AsyncIterator[Any]:
    """Give each message of the other half, until it closes its end."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            length = int.from_bytes(await pipe.readexactly(4), "big")
            # Of this program's other half alone, through a socket that nobody else has.
            yield pickle.loads(await pipe.readexactly(length))  # noqa: S301


def _stand_back(pid: int) -> None:
    """Have a process, and those it starts, run when nobody else wants to, from its first moment on."""
    # A system that lets nobody change that runs it as it is; one that ended meanwhile needs nothing.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, _NICE)
    with contextlib.suppress(AttributeError, OSError):
        os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))


def _settle(waiting: "asyncio.Future[Outcome]", ended: Ended) -> None:
    if ended.outcome is not None:
        waiting.set_result(ended.outcome)
    elif ended.error is not None:
        code, detail, internal, retry_after = ended.error
        waiting.set_exception(PfnError(code, detail, internal=internal, retry_after=retry_after))
    else:
        waiting.cancel()


def _broken() -> PfnError:
    return PfnError(Code.INTERNAL, "The process that does the work ended before its work did.")
