"""Many processes that are one node: PostgreSQL, a bucket and keys in common, and no disk."""

import os
import re
import secrets
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from sqlalchemy import make_url
from tests.support.bucket import Bucket, free_ports
from tests.support.node import PFN

PUBLIC_URL = "http://node.test"
# Instead of a quarter of a minute: so long a sleeper may hold what others wait for.
SLEEP_S = 2


@dataclass
class Process:
    """One process: ``url`` is where it answers, if it serves; ``name`` is how its connections are called."""

    name: str
    popen: "subprocess.Popen[str]"
    log: Path
    url: str = ""

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.popen.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """End it, awake or not, and give its exit code."""
        if self.popen.poll() is None:
            self.send(number)
            self.send(signal.SIGCONT)
        try:
            return self.popen.wait(30)
        finally:
            assert self.popen.stdout is not None
            self.popen.stdout.close()


@dataclass
class Fleet:
    """Starts processes of one node; ``rows`` is its database, ``key`` its master key."""

    root: Path
    rows: str
    bucket: Bucket
    settings: dict[str, object] = field(default_factory=dict)
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    running: list[Process] = field(default_factory=list)

    def environment(self, name: str) -> dict[str, str]:
        """Give the environment of a process, whose data folder is its own."""
        url = make_url(self.rows).update_query_dict(
            {"application_name": name, "options": f"-c idle_in_transaction_session_timeout={SLEEP_S}s"}
        )
        settings: Mapping[str, object] = {
            "data": self.root / name,
            "keys": self.root / "keys",
            "database_url": url.render_as_string(hide_password=False),
            "public_url": PUBLIC_URL,
            "allow_loopback": True,
            "master_key": self.key,
            "log_format": "json",
            "address_limit": 0,
            "key_limit": 0,
            **self.bucket.settings,
            **self.settings,
        }
        given = {f"PFN_{setting.upper()}": str(value) for setting, value in settings.items()}
        return {**os.environ, "COLUMNS": "300", **given}

    def run(self, *command: str, name: str = "init") -> "subprocess.CompletedProcess[str]":
        """Run a command of the node to its end."""
        return subprocess.run(
            [PFN, *command], env=self.environment(name), capture_output=True, text=True, timeout=90, check=False
        )

    def start(self, name: str, *command: str, ready: str) -> Process:
        """Start a process and wait for the line that says it is ready; what stands in ``()`` is its URL."""
        log = self.root / f"{name}.log"
        with log.open("a") as errors:
            popen = subprocess.Popen(
                [PFN, *command], env=self.environment(name), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        process = Process(name, popen, log)
        self.running.append(process)
        assert popen.stdout is not None
        for line in popen.stdout:
            if found := re.match(ready, line):
                process.url = found[1] if found.groups() else ""
                return process
        raise AssertionError(f"{name} did not start: {log.read_text()[-3000:]}")

    def serve(self, name: str, *more: str) -> Process:
        """Start a process that serves and leaves the work to others."""
        [port] = free_ports(1)
        made = self.start(name, "serve", "--port", str(port), "--no-work", *more, ready="Listening on ")
        made.url = f"http://127.0.0.1:{port}"
        return made

    def work(self, name: str) -> Process:
        """Start a process that works."""
        return self.start(name, "work", ready="Working in")

    @asynccontextmanager
    async def http(self, process: Process) -> AsyncIterator[httpx.AsyncClient]:
        """Give a client of a process, with the master key."""
        headers = {"Authorization": f"Bearer {self.key}"}
        async with httpx.AsyncClient(base_url=process.url, headers=headers, timeout=60) as http:
            yield http

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """Ask the database, past the node."""
        with self._connect() as rows:
            found = rows.execute(query.encode(), values)
            return found.fetchall() if found.description else []

    def freeze_in_transaction(
        self, processes: Sequence[Process], patience: float, nudge: Callable[[], None]
    ) -> Process | None:
        """Stop the first of these that holds the log in an open transaction, and give it; None where none ever did.

        ``nudge`` is called all the time: it makes sure that there is something to append.

        Whoever appends has to change a tile after it took the log's lock: it waits here for it, is stopped, and then
        given it, so that it now sleeps between two statements.
        """
        by_name = {process.name: process for process in processes}
        until = time.monotonic() + patience
        with self._connect() as rows:
            rows.execute("SELECT level FROM log_tiles FOR UPDATE")
            while time.monotonic() < until:
                nudge()
                waiting = self.ask(
                    "SELECT a.application_name FROM pg_locks AS held JOIN pg_stat_activity AS a USING (pid) "
                    "WHERE held.objid = 7311990 AND held.granted AND a.wait_event_type = 'Lock'"
                )
                for (name,) in waiting:
                    if name in by_name:
                        by_name[name].send(signal.SIGSTOP)
                        return by_name[name]
                time.sleep(0.05)
        return None

    def _connect(self) -> "psycopg.Connection[tuple[Any, ...]]":
        url = make_url(self.rows).set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(url)


@contextmanager
def run_fleet(root: Path, rows: str, bucket: Bucket, **settings: object) -> Iterator[Fleet]:
    """Make a node's keys and database, and end every process of it with the block."""
    fleet = Fleet(root, rows, bucket, settings)
    made = fleet.run("init")
    assert made.returncode == 0, made.stderr
    # As a secret is mounted.
    for path in (root / "keys").iterdir():
        path.chmod(0o400)
    (root / "keys").chmod(0o500)
    try:
        yield fleet
    finally:
        for process in fleet.running:
            process.end(signal.SIGKILL)
        (root / "keys").chmod(0o700)
