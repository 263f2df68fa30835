"""A real worker: ``pfn work`` in a process of its own."""

import asyncio
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.node import PFN
from tests.support.rows import place_rows

_PATIENCE_S = 60


@dataclass(frozen=True, slots=True)
class RunningWorker:
    """A worker that works. ``log`` is a file of JSON lines, its own."""

    process: "subprocess.Popen[str]"
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def wait(self) -> int:
        """Wait until it has ended and give its exit code."""
        try:
            return await asyncio.to_thread(self.process.wait, _PATIENCE_S)
        finally:
            self.close()

    async def kill(self) -> None:
        """End it as a power cut would."""
        self.send(signal.SIGKILL)
        await self.wait()

    def close(self) -> None:
        """Make sure that nothing of it is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


async def start_worker(data: Path, **settings: object) -> RunningWorker:
    """Start a worker on a node's folder and wait until it works."""
    log = data.parent / f"worker-{os.urandom(4).hex()}.log"
    process = await asyncio.to_thread(_start, data, log, settings)
    worker = RunningWorker(process, log)
    assert process.stdout is not None
    while line := await asyncio.to_thread(process.stdout.readline):
        if line.startswith("Working in"):
            return worker
    worker.close()
    raise AssertionError(f"the worker did not start: {log.read_text()[-3000:]}")


def _start(data: Path, log: Path, settings: dict[str, object]) -> "subprocess.Popen[str]":
    place_rows(data)
    with log.open("w") as errors:
        return subprocess.Popen(
            [PFN, "work", "--data", str(data)],
            env=make_environment(settings),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def make_environment(settings: dict[str, object]) -> dict[str, str]:
    """Give the environment of a process with these settings."""
    named = {f"PFN_{name.upper()}": str(value) for name, value in settings.items()}
    return {**os.environ, "COLUMNS": "300", "PFN_ALLOW_LOOPBACK": "true", "PFN_LOG_FORMAT": "json", **named}
