"""What a run was made on, and which of the commands it needs are missing."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

PACKAGES = {"nginx": "nginx-light", "wrk": "wrk", "curl": "curl", "sha256sum": "coreutils"}
"""The Debian package of each command."""
_LIBRARIES = ("uvicorn", "uvloop", "httptools", "starlette", "fastapi", "sqlalchemy", "aiosqlite", "aiohttp", "pynacl")
_VERSION = re.compile(r"\d+(?:\.\d+)+")


def describe_machine() -> Mapping[str, str]:
    """Give what the figures depend on, by name."""
    import sqlite3

    facts = {
        "cpu": _cpu(),
        "cores": str(len(os.sched_getaffinity(0))),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    facts |= {name: _ask(name) for name in ("nginx", "wrk", "curl") if find_command(name)}
    return facts | {name: version(name) for name in _LIBRARIES}


def find_command(name: str) -> str | None:
    """Give where a command is; Debian keeps some where only root looks."""
    return shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def missing(names: Iterable[str]) -> Sequence[str]:
    """Give those of these commands that are not there."""
    return sorted({name for name in names if find_command(name) is None})


def install(names: Sequence[str]) -> Sequence[str]:
    """Install commands where that is ours to do, as root on Debian; give those that are still missing."""
    if names and os.geteuid() == 0 and find_command("apt-get"):
        packages = [PACKAGES[name] for name in names]
        print(f"Installing {', '.join(packages)} …", flush=True)
        command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
        subprocess.run(
            command, check=False, capture_output=True, env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        )
    return missing(names)


def how_to_install(names: Iterable[str]) -> str:
    """Give the command that installs what is missing."""
    return f"sudo apt-get install {' '.join(PACKAGES[name] for name in names)}"


def _cpu() -> str:
    text = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    found = re.search(r"model name\s*:\s*(.+)", text)
    return found[1] if found else platform.processor() or platform.machine()


def _ask(name: str) -> str:
    command = [find_command(name) or name, "-v" if name != "curl" else "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = _VERSION.search(done.stdout + done.stderr)
    return found[0] if found else "?"
