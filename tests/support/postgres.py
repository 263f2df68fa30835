"""A real PostgreSQL of the tests' own: made in a temporary folder, on loopback, gone afterwards."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def run_postgres() -> Iterator[str]:
    """Run a server and give the URL of a role that may make databases; skips on a laptop without PostgreSQL."""
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

        def call(*command: str) -> None:
            subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL)

        call(
            str(programs / "initdb"),
            "-D",
            str(data),
            "-U",
            "pfn",
            "-A",
            "trust",
            "--no-sync",
            "-E",
            "UTF8",
            "--locale=C",
        )
        options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={folder} -c fsync=off"
        control = str(programs / "pg_ctl")
        call(control, "-D", str(data), "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql+psycopg://pfn@127.0.0.1:{port}/postgres"
        finally:
            call(control, "-D", str(data), "-m", "immediate", "-w", "stop")
