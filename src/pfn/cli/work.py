"""``pfn work``: do the due work in a process of its own."""

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pfn.cli.log import configure_logging
from pfn.cli.node import Data
from pfn.cli.options import Json
from pfn.cli.output import out, show_json, show_table
from pfn.protocol.errors import Code, PfnError
from pfn.settings import Settings, load_settings
from pfn.tracing import trace_to

if TYPE_CHECKING:
    from pfn.work.runner import Done


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("work")(work)


def work(
    data: Data = None,
    once: Annotated[bool, typer.Option("--once", help="Do what is due now, print it and exit.")] = False,
    as_json: Json = False,
) -> None:
    """Do what is due until Ctrl-C: syncs, probes, key checks, looks at stored bytes, deliveries.

    A node does this itself unless it runs with --no-work. Any number of workers may share its folder: each thing is
    done by one of them. A worker that is stopped finishes what it can within ten seconds and gives the rest back.

    Example: pfn work --data /srv/pfn
    """
    settings = load_settings({"data": data}, os.environ).settings
    # With keys of a folder of their own, the data folder may be a new process's empty one.
    if settings.keys is None and not settings.data.is_dir():
        raise PfnError(
            Code.DATA_MISSING, f"There is no node in {settings.data}; make one with: pfn init --data {settings.data}"
        )
    configure_logging(settings.log_format, settings.log_level)
    done = asyncio.run(_work(settings, once=once))
    if once and as_json:
        show_json([one.to_json() for one in done])
    elif once:
        show_table(
            ("kind", "of", "result", "seconds", "detail"),
            (
                (one.kind, one.subject, one.outcome.result, f"{one.seconds:.1f}", one.outcome.detail)
                for one in sorted(done, key=lambda one: (one.kind, one.subject))
            ),
            empty="Nothing is due.",
        )


async def _work(settings: Settings, *, once: bool) -> "Sequence[Done]":
    """Work until a signal comes, or with ``once`` until nothing is due; give what was done."""
    from pfn.app import DRAIN_S, make_worker, open_services, prepare
    from pfn.cli.serve import greet

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    prepared = prepare(settings)
    async with trace_to(settings.tracing, settings.address), open_services(prepared, time.time) as services:
        await services.cosigning.look_back()
        await services.schedule.fill()
        worker = make_worker(services, settings)
        stopped = asyncio.create_task(stop.wait())
        if once:
            finishing = asyncio.create_task(worker.finish_due())
            await asyncio.wait({finishing, stopped}, return_when=asyncio.FIRST_COMPLETED)
            await worker.drain(DRAIN_S)
            stopped.cancel()
            return await finishing
        greet(prepared)
        worker.start()
        out.print(f"Working in {settings.data.resolve()}", soft_wrap=True)
        await stopped
        await worker.drain(DRAIN_S)
    return ()
