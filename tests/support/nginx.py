"""Debian's nginx with the project's own file, deploy/nginx.conf, in front of a node: on loopback, gone afterwards."""

import os
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

CONF = Path(__file__).parents[2] / "deploy" / "nginx.conf"
HOST = "plugins.example.com"

_MAIN = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log info;
events {{ worker_connections 4096; }}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/pfn.conf;
}}
"""


def free_port() -> int:
    """Give a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running nginx; ``https`` and ``http`` are its ports, ``folder`` has its logs and its cache."""

    https: int
    http: int
    folder: Path

    def client(self, *, address: str = "127.0.0.1", encrypted: bool = True) -> httpx.AsyncClient:
        """Give a client that knows it by its name and comes from an address of this machine."""
        context = ssl.create_default_context(cafile=self.folder / "fullchain.pem")
        context.check_hostname = False
        transport = httpx.AsyncHTTPTransport(verify=context, local_address=address)
        base = f"https://127.0.0.1:{self.https}" if encrypted else f"http://127.0.0.1:{self.http}"
        return httpx.AsyncClient(transport=transport, base_url=base, headers={"Host": HOST}, timeout=30)

    @property
    def cached(self) -> list[Path]:
        """Give the files of the cache."""
        return [path for path in (self.folder / "cache").rglob("*") if path.is_file()]


def fit(folder: Path, node: str, blobs: Path, https: int, http: int) -> str:
    """Change in the file what its first lines say is the operator's to change, and nothing else."""
    text = CONF.read_text(encoding="utf-8")
    for ours, theirs in {
        "listen 443 ssl http2;": f"listen 127.0.0.1:{https} ssl http2;",
        "    listen [::]:443 ssl http2;\n": "",
        "listen 80;": f"listen 127.0.0.1:{http};",
        "    listen [::]:80;\n": "",
        "server 127.0.0.1:8080;": f"server {node};",
        "/etc/ssl/pfn/": f"{folder}/",
        "/srv/pfn/blobs/": f"{blobs}/",
        "/var/cache/nginx/pfn": f"{folder}/cache",
    }.items():
        assert ours in text, f"deploy/nginx.conf has no {ours!r} any more"
        text = text.replace(ours, theirs)
    return text


@contextmanager
def run_nginx(folder: Path, node: str, blobs: Path) -> Iterator[Nginx]:
    """Run nginx before ``node`` (``host:port``) until the block ends."""
    folder.mkdir()
    _make_certificate(folder)
    nginx = Nginx(free_port(), free_port(), folder)
    (folder / "pfn.conf").write_text(fit(folder, node, blobs, nginx.https, nginx.http))
    # Workers that leave root could not read the tests' folders.
    main = _MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else "")
    (folder / "nginx.conf").write_text(main)
    command = ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    subprocess.run([*command, "-t"], check=True, capture_output=True)
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        _wait(nginx.https, process)
        yield nginx
    finally:
        process.terminate()
        process.wait(20)


def _make_certificate(folder: Path) -> None:
    key, chain = str(folder / "privkey.pem"), str(folder / "fullchain.pem")
    named = ["-subj", f"/CN={HOST}", "-addext", f"subjectAltName=DNS:{HOST}"]
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", chain, "-days", "2"]
    subprocess.run(["openssl", "req", "-x509", *made, *named], check=True, capture_output=True)


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    while process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("nginx did not start")
