"""Wait a little for work that may take long: a page says the outcome where it comes soon, and goes on where not."""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

from pfn.services.background import Background

PATIENCE_S = 10.0

_T = TypeVar("_T")


async def wait_briefly(tasks: Background, name: str, work: Coroutine[object, object, _T]) -> _T | None:
    """Give the outcome of ``work``, or None where it takes longer; it then goes on in the background.

    What it raises is raised here, or logged where nobody waits any more.
    """
    answer: asyncio.Future[_T] = asyncio.get_running_loop().create_future()

    async def run() -> None:
        try:
            outcome = await work
        except Exception as error:
            if answer.done():
                raise
            answer.set_exception(error)
            return
        if not answer.done():
            answer.set_result(outcome)

    tasks.spawn(name, run())
    try:
        return await asyncio.wait_for(answer, PATIENCE_S)
    except TimeoutError:
        return None
