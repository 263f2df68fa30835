"""Follow long work: a bar while a sync runs, a spinner while a verification does."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TransferSpeedColumn,
)

from pfn.cli.output import err, printable
from pfn.client.node import NodeClient

_EVERY_S = 0.3


async def follow_sync(client: NodeClient, sync: dict[str, Any], *, quiet: bool) -> dict[str, Any]:
    """Show a sync until it ends, and give its last state."""
    with _bar(f"sync {sync['source_id']}", quiet=quiet) as progress:
        task = progress.task_ids[0]
        while sync["state"] == "running":
            await asyncio.sleep(_EVERY_S)
            sync = await client.get(f"/federation/syncs/{sync['id']}")
            progress.update(task, total=sync["wanted"] or None, completed=sync["done"])
    return sync


@asynccontextmanager
async def watch_source(client: NodeClient, source_id: str, *, quiet: bool) -> AsyncIterator[None]:
    """Show the running sync of a source beside a request that answers only when it is done."""

    async def watch(progress: Progress) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            status = await client.get("/federation/source-status", sourceId=source_id)
            running = [sync for sync in status["syncs"] if sync["state"] == "running"]
            if running:
                progress.update(progress.task_ids[0], total=running[0]["wanted"] or None, completed=running[0]["done"])

    with _bar(f"sync {source_id}", quiet=quiet) as progress:
        watcher = asyncio.create_task(watch(progress))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)


@asynccontextmanager
async def watch_peer(client: NodeClient, peer_id: int, *, quiet: bool) -> AsyncIterator[None]:
    """Show how far a run with a peer is, beside a request that answers when it is done."""

    async def watch(progress: Progress) -> None:
        wanted = 0
        while True:
            await asyncio.sleep(_EVERY_S)
            row = await client.get(f"/federation/peers/{peer_id}")
            if row["lag"]:
                progress.update(
                    progress.task_ids[0],
                    description=f"read the log of peer {peer_id}",
                    total=row["log_size"],
                    completed=row["read_to"],
                )
            else:
                wanted = max(wanted, row["untried"])
                progress.update(
                    progress.task_ids[0],
                    description=f"take releases of peer {peer_id}",
                    total=wanted or None,
                    completed=wanted - row["untried"],
                )

    with _bar(f"peer {peer_id}", quiet=quiet) as progress:
        watcher = asyncio.create_task(watch(progress))
        try:
            yield
        finally:
            watcher.cancel()
            await asyncio.gather(watcher, return_exceptions=True)


async def await_verification(client: NodeClient, source_id: str, *, quiet: bool) -> dict[str, Any]:
    """Wait for a source's first verification and give its status document."""
    with _bar(f"verify {source_id}", quiet=quiet):
        while True:
            status: dict[str, Any] = await client.get("/federation/source-status", sourceId=source_id)
            if status["verifications"]:
                return status
            await asyncio.sleep(_EVERY_S)


@contextmanager
def show_steps(*, quiet: bool) -> Iterator[Callable[[str, int, int], None]]:
    """Show work of several steps: give what is told the step, how much of it is done, and of how much."""
    with _bar("", quiet=quiet) as progress:
        task = progress.task_ids[0]
        yield lambda step, done, total: progress.update(task, description=step, completed=done, total=total or None)


def show_bytes(label: str, total: int, *, quiet: bool) -> Progress:
    """Give a bar that counts bytes."""
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )
    progress.add_task(label, total=total)
    return progress


def _bar(label: str, *, quiet: bool) -> Progress:
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        transient=True,
        disable=quiet or not err.is_terminal,
    )
    progress.add_task(printable(label), total=None)
    return progress
