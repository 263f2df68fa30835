"""Heavy work in another process: done, told of, given back, and never outliving who asked for it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pfn.app import Prepared, prepare
from pfn.app.work_process import WorkProcess
from pfn.cli.serve import WORK_COMMAND
from pfn.domain.schedule import Due, Outcome, Result, Work
from pfn.protocol.errors import Code, PfnError
from pfn.services.lease import Lease
from pfn.settings import Settings

# Nobody registered it: there is nothing to do, and that is an outcome.
NOTHING = Outcome(Result.UNCHANGED, detail="source_not_verified")


def lease(kind: Work = Work.SYNC, subject: str = "nobody@nowhere.example") -> Lease:
    return Lease(Due(kind, subject, "", due_at=0, interval_s=60), "token")


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    return prepare(Settings(data=tmp_path / "node"))


@pytest.fixture
async def elsewhere(prepared: Prepared) -> AsyncIterator[WorkProcess]:
    process = WorkProcess(prepared, WORK_COMMAND)
    yield process
    await process.close()


def pid_of(elsewhere: WorkProcess) -> int:
    assert elsewhere._process is not None
    return elsewhere._process.pid


async def test_work_is_done_by_one_process_that_yields_to_others_and_is_told_how_it_ended(
    elsewhere: WorkProcess,
) -> None:
    assert await elsewhere.do(lease()) == NOTHING
    pid = pid_of(elsewhere)
    assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
    assert await asyncio.gather(*(elsewhere.do(lease()) for _ in range(5))) == [NOTHING] * 5
    with pytest.raises(PfnError) as failed:
        await elsewhere.do(lease(Work.PEER, "no number"))
    assert failed.value.code is Code.INTERNAL
    assert pid_of(elsewhere) == pid
    await elsewhere.close()
    assert not Path(f"/proc/{pid}").exists()


async def test_where_it_died_another_is_started(elsewhere: WorkProcess) -> None:
    await elsewhere.do(lease())
    pid = pid_of(elsewhere)
    asked = asyncio.create_task(elsewhere.do(lease()))
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    [ended] = await asyncio.gather(asked, return_exceptions=True)
    assert isinstance(ended, PfnError)
    assert ended.code is Code.INTERNAL
    assert elsewhere._reading is not None
    await elsewhere._reading
    assert await elsewhere.do(lease()) == NOTHING
    assert pid_of(elsewhere) != pid


async def test_what_is_cancelled_here_is_cancelled_there(elsewhere: WorkProcess) -> None:
    await elsewhere.do(lease())
    os.kill(pid_of(elsewhere), signal.SIGSTOP)
    asked = asyncio.create_task(elsewhere.do(lease()))
    await asyncio.sleep(0.05)
    asked.cancel()
    await asyncio.sleep(0.05)
    os.kill(pid_of(elsewhere), signal.SIGCONT)
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await elsewhere.do(lease()) == NOTHING


_PARENT = """
import asyncio, sys
from pathlib import Path
from pfn.app import prepare
from pfn.app.work_process import WorkProcess
from pfn.cli.serve import WORK_COMMAND
from pfn.domain.schedule import Due, Work
from pfn.services.lease import Lease
from pfn.settings import Settings

async def main():
    elsewhere = WorkProcess(prepare(Settings(data=Path(sys.argv[1]))), WORK_COMMAND)
    await elsewhere.do(Lease(Due(Work.SYNC, "nobody@nowhere.example", "", due_at=0, interval_s=60), "token"))
    print(elsewhere._process.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_it_ends_with_a_node_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _PARENT, str(tmp_path / "node")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(await asyncio.to_thread(parent.stdout.readline))
        assert Path(f"/proc/{pid}").exists()
        parent.kill()
        parent.wait()
    async with asyncio.timeout(60):
        while is_running(pid):
            await asyncio.sleep(0.05)
