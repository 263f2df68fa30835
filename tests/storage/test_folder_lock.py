"""The folder's lock: who comes first is alone until it shares; who comes later waits for that and never is."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from pfn.storage.folder_lock import hold_folder

HOLD = """
import asyncio, sys
from pathlib import Path
from pfn.storage.folder_lock import hold_folder

async def main():
    async with hold_folder(Path(sys.argv[1])) as folder:
        print(folder.alone, flush=True)
        await folder.share()
        sys.stdin.read()

asyncio.run(main())
"""


def hold_elsewhere(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def test_the_first_is_alone_and_others_wait_until_it_shares(tmp_path: Path) -> None:
    async with hold_folder(tmp_path) as first:
        assert first.alone

        async def come() -> bool:
            async with hold_folder(tmp_path) as later:
                return later.alone

        coming = [asyncio.create_task(come()) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert not any(one.done() for one in coming)
        await first.share()
        assert not first.alone
        assert await asyncio.gather(*coming) == [False, False, False]
    async with hold_folder(tmp_path) as next_one:
        assert next_one.alone


async def test_many_that_start_at_once_are_alone_one_at_a_time(tmp_path: Path) -> None:
    alone = 0

    async def start() -> None:
        nonlocal alone
        async with hold_folder(tmp_path) as folder:
            if folder.alone:
                alone += 1
                before = alone
                await asyncio.sleep(0.01)
                assert alone == before
            await folder.share()
            await asyncio.sleep(0.02)

    await asyncio.gather(*(start() for _ in range(10)))
    assert alone >= 1


async def test_it_holds_between_processes_and_ends_with_a_kill(tmp_path: Path) -> None:
    with hold_elsewhere(tmp_path) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert await asyncio.to_thread(other.stdout.readline) == "True\n"
        async with hold_folder(tmp_path) as folder:
            assert not folder.alone
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    async with hold_folder(tmp_path) as folder:
        assert folder.alone
