"""The process that does heavy work for one that serves: ``app.work_process`` starts it and says what to do.

When the other end of its socket closes without a word, the node died: so does this, at once, for a new one may be
starting.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any, Final

import structlog

from pfn.app import open_services
from pfn.app.prepare import Prepared
from pfn.app.work_process import Cancel, DoSync, DoWork, Ended, receive, send
from pfn.cli.log import configure_logging
from pfn.domain.schedule import Outcome
from pfn.protocol.errors import Code, PfnError
from pfn.services.node import Services
from pfn.tracing import follow_trail, trace_to
from pfn.work.dispatch import do_work

log = structlog.get_logger()

_NODE_DIED: Final = 1


def main() -> None:
    """Work until the other end closes."""
    with socket.socket(fileno=int(sys.argv[1])) as ours:
        ours.set_inheritable(False)
        asyncio.run(_work(ours))


async def _work(ours: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # Whoever ends the node has it end this process too; a handler, for being ignored would be inherited.
        loop.add_signal_handler(number, lambda: None)
    reader, pipe = await asyncio.open_unix_connection(sock=ours)
    messages = receive(reader)
    prepared: Prepared = await anext(messages)
    settings = prepared.settings
    configure_logging(settings.log_format, settings.log_level)
    # Listened to from the start: a node that dies meanwhile is noticed.
    queue: asyncio.Queue[Any] = asyncio.Queue()
    listening = asyncio.create_task(_listen(messages, queue))
    async with (
        trace_to(settings.tracing, settings.address),
        open_services(prepared, time.time, helping=True) as services,
    ):
        await _serve(services, queue, pipe)
    listening.cancel()
    pipe.close()


async def _listen(messages: AsyncIterator[Any], queue: "asyncio.Queue[Any]") -> None:
    async for message in messages:
        queue.put_nowait(message)
        if message is None:
            return
    os._exit(_NODE_DIED)


async def _serve(services: Services, queue: "asyncio.Queue[Any]", pipe: asyncio.StreamWriter) -> None:
    tasks: dict[int, asyncio.Task[None]] = {}
    while (message := await queue.get()) is not None:
        if isinstance(message, Cancel):
            if message.number in tasks:
                tasks[message.number].cancel()
            continue
        task = asyncio.create_task(_do(pipe, message.number, partial(_begin, services, message)))
        tasks[message.number] = task
        task.add_done_callback(partial(_forget, tasks, message.number))
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


def _forget(tasks: "dict[int, asyncio.Task[None]]", number: int, _: object) -> None:
    tasks.pop(number, None)


async def _begin(services: Services, message: DoWork | DoSync) -> Outcome:
    with follow_trail(message.trail):
        if isinstance(message, DoWork):
            return await do_work(services, message.lease)
        return await services.syncs.run_for(
            message.sync_id, message.source_id, recheck=message.recheck, retry_all=message.retry_all
        )


async def _do(pipe: asyncio.StreamWriter, number: int, begin: Callable[[], Awaitable[Outcome]]) -> None:
    try:
        ended = Ended(number, await begin())
    except asyncio.CancelledError:
        ended = Ended(number)
    except PfnError as error:
        ended = Ended(number, error=(error.code, error.detail, error.internal, error.retry_after))
    except Exception as error:
        log.exception("work_failed")
        ended = Ended(number, error=(Code.INTERNAL, "Something went wrong in the work.", repr(error), None))
    await send(pipe, ended)
