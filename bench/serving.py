"""Servers to measure and the load on them: the node itself, a bare application with the same bytes, nginx; wrk."""

import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench.harness import Place
from bench.machine import find_command
from bench.store import MASTER_KEY

_PFN: Final = str(Path(sys.executable).with_name("pfn"))
_START_S: Final = 120
# As an operator would have them, but for the limits: one address asks everything here.
_SETTINGS: Final = {
    "PFN_ADDRESS_LIMIT": "0",
    "PFN_KEY_LIMIT": "0",
    "PFN_BAD_KEY_LIMIT": "0",
    "PFN_MASTER_KEY": MASTER_KEY,
    "PFN_LOG_FORMAT": "json",
    "PFN_ALLOW_LOOPBACK": "1",
    "PFN_PUBLIC_URL": "http://node.example",
}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers at ``url``."""

    url: str
    pid: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it is sent again and again."""

    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer to it."""

    status: int
    headers: Sequence[tuple[str, str]]
    body: bytes


@contextmanager
def run_node(place: Place, data: Path, **settings: str) -> Iterator[Server]:
    """Run a node on the server's core; ``settings`` go by their names. Its log goes to a file, as a service's does."""
    environment = {**os.environ, **_SETTINGS, **{f"PFN_{name.upper()}": value for name, value in settings.items()}}
    command = [_PFN, "serve", "--data", str(data), "--port", "0"]
    with (data.parent / f"{data.name}.log").open("ab") as log, place.pinned():
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        url = _read_address(process, data)
        yield Server(url, process.pid)
    finally:
        _end(process)


def _read_address(process: "subprocess.Popen[str]", data: Path) -> str:
    assert process.stdout is not None  # it is a pipe
    for line in process.stdout:
        if line.startswith("Listening on "):
            port = re.search(r"port=(\d+)|:(\d+)\s*$", line)
            return f"http://127.0.0.1:{port[2]}" if port else f"http://127.0.0.1:{_port_of(process.pid)}"
    raise RuntimeError(f"the node did not start: {(data.parent / f'{data.name}.log').read_text()[-2000:]}")


def _port_of(pid: int) -> int:
    """Find the port that a process listens on: its public URL is another."""
    inodes = {
        str(one.readlink()).removeprefix("socket:[").removesuffix("]") for one in Path(f"/proc/{pid}/fd").iterdir()
    }
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A" and fields[9] in inodes:
            return int(fields[1].partition(":")[2], 16)
    raise RuntimeError(f"process {pid} listens nowhere")


@contextmanager
def run_bare(place: Place, answer: Answer) -> Iterator[Server]:
    """Run an ASGI application that knows one answer, on the node's own server and on its core."""
    folder = Path(tempfile.mkdtemp(dir=place.folder))
    body = folder / "body"
    body.write_bytes(answer.body)
    (folder / "head").write_text("\n".join(f"{name}: {value}" for name, value in answer.headers))
    port = free_port()
    command = [sys.executable, "-m", "bench.bare", str(folder), str(answer.status), str(port)]
    with place.pinned():
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _await_port(port)
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        _end(process)


@contextmanager
def run_nginx(
    place: Place, locations: str, *, behind: Server | None = None, port: int = 0, as_load: bool = False
) -> Iterator[Server]:
    """Run nginx, one worker on the server's core or ``as_load``, as Debian sets it up but for the places.

    ``behind`` is the server that ``locations`` pass requests on to as ``http://behind``.
    """
    folder = Path(tempfile.mkdtemp(dir=place.folder))
    folder.chmod(0o755)
    port = port or free_port()
    (folder / "nginx.conf").write_text(f"""
daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
{"user root;" if os.geteuid() == 0 else ""}
events {{ worker_connections 768; }}
http {{
  sendfile on; tcp_nopush on; types_hash_max_size 2048; keepalive_requests 1000000;
  default_type application/octet-stream; access_log {folder}/access.log;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {f"upstream behind {{ server {behind.url[7:]}; keepalive 16; }}" if behind else ""}
  server {{ listen 127.0.0.1:{port}; {locations} }}
}}
""")
    with place.pinned(load=as_load):
        process = subprocess.Popen(
            [find_command("nginx") or "nginx", "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")],
            stderr=subprocess.DEVNULL,
        )
    try:
        _await_port(port)
        yield Server(f"http://127.0.0.1:{port}", process.pid)
    finally:
        _end(process)


def ask(server: Server, asked: Asked) -> Answer:
    """Ask once."""
    request = urllib.request.Request(server.url + asked.path, data=asked.body, headers=dict(asked.headers))
    opener = urllib.request.build_opener(_NoErrors())
    with opener.open(request, timeout=60) as answer:
        return Answer(answer.status, answer.headers.items(), answer.read())


class _NoErrors(urllib.request.HTTPErrorProcessor):
    """Any status is an answer."""

    def http_response(self, request: Any, response: Any) -> Any:  # noqa: ANN401  # as the base class has it
        del request
        return response

    https_response = http_response


def load(place: Place, server: Server, asked: Asked, *, connections: int = 16) -> float:
    """Ask as fast as answers come, from the other core; give answers per second. Raises RuntimeError for errors."""
    seconds = 1 if place.quick else 3
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    for name, value in asked.headers.items():
        command += ["-H", f"{name}: {value}"]
    if asked.body is not None:
        script = place.folder / f"post-{secrets.token_hex(4)}.lua"
        script.with_suffix(".body").write_bytes(asked.body)
        script.write_text(
            f'wrk.method = "POST"\nlocal f = io.open("{script.with_suffix(".body")}", "rb")\n'
            'wrk.body = f:read("*a")\nf:close()\n'
        )
        command += ["-s", str(script)]
    with place.pinned(load=True):
        done = subprocess.run([*command, server.url + asked.path], capture_output=True, text=True, check=True)
    if "Non-2xx" in done.stdout or "Socket errors" in done.stdout:
        raise RuntimeError(f"{asked.path}: {done.stdout}")
    found = re.search(r"Requests/sec:\s*([\d.]+)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def free_port() -> int:
    """Give a port that nobody listens on at the moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _await_port(port: int) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on port {port}")


def _end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
