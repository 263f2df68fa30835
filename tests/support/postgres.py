"""A real PostgreSQL of the tests' own: made in a temporary folder, on loopback, gone afterwards."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_PLACES = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt")


def find_postgres() -> Path | None:
    """Give the folder of PostgreSQL's programs, newest version first, or None."""
    found = [path.parent for place in _PLACES for path in Path(place).glob("*/bin/initdb")]
    if found:
        return max(found)
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb else None


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs; ``url`` is that of a role that may make databases."""

    url: str
    folder: str
    _command: tuple[str, ...]
    _options: str
    _user: str

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._control("-o", self._options, "-l", f"{self.folder}/log", "start")

    def stop(self) -> None:
        """Stop it as a power cut would, but for what the system had not written yet."""
        self._control("-m", "immediate", "stop")

    def _control(self, *arguments: str) -> None:
        command = [*self._command, "-w", *arguments]
        subprocess.run(command, check=True, user=self._user, cwd=self.folder, stdout=subprocess.DEVNULL)


@contextmanager
def run_server() -> Iterator[Server]:
    """Run a server until the block ends; skips on a laptop without PostgreSQL."""
    programs = find_postgres()
    if programs is None:
        if "CI" in os.environ:
            pytest.fail("PostgreSQL is not installed (Debian: apt install postgresql)")
        pytest.skip("PostgreSQL is not installed here (Debian: apt install postgresql)")
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.geteuid() == 0 else getpass.getuser()
    with tempfile.TemporaryDirectory(prefix="pfn-pg-") as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        data = Path(folder) / "data"
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        made = (str(programs / "initdb"), "-D", str(data), "-U", "pfn", "-A", "trust", "--no-sync", "-E", "UTF8")
        subprocess.run((*made, "--locale=C"), check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)
        # What the system holds survives the death of a server; only a machine's own would need fsync.
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        control = (str(programs / "pg_ctl"), "-D", str(data))
        server = Server(f"postgresql+psycopg://pfn@127.0.0.1:{port}/postgres", folder, control, options, user)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def run_postgres() -> Iterator[str]:
    """Run a server and give its URL; skips on a laptop without PostgreSQL."""
    with run_server() as server:
        yield server.url
