"""Work that goes on after its request was answered: first verifications, syncs.

Nothing here is remembered: what must survive a restart is a row that is due. A task that fails is logged and harms no
other.
"""

import asyncio
from collections.abc import Coroutine

import structlog

log = structlog.get_logger()


class Background:
    """Tasks of one node."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def spawn(self, name: str, work: Coroutine[object, object, object]) -> None:
        """Begin a task."""
        task: asyncio.Task[object] = asyncio.create_task(self._guard(name, work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, name: str, work: Coroutine[object, object, object]) -> object:
        try:
            return await work
        except Exception as error:  # nobody else would hear of it
            log.exception("background_work_failed", work=name, error=str(error))
            return None

    async def drain(self, seconds: float) -> None:
        """Wait for the tasks for a while, then cancel those that are left and wait for them to close up."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
