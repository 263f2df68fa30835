"""Real S3 services of the tests' own, on loopback and in temporary folders, gone afterwards.

SeaweedFS does all that a node asks of a bucket. rclone ignores conditions: any later put takes the place of an earlier.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pfn.storage.bucket_address import BucketAddress, read_bucket_address

ACCESS_KEY, SECRET_KEY = "PFNTESTKEY", "a secret of the tests alone"
_BUCKET = "blobs"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A service with one bucket."""

    endpoint: str
    prefix: str = ""

    @property
    def port(self) -> int:
        """Where it listens, on 127.0.0.1."""
        return int(self.endpoint.rpartition(":")[2])

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a node that keeps its zips here."""
        return {
            "blobs_url": f"s3://{_BUCKET}/{self.prefix}",
            "s3_endpoint": self.endpoint,
            "s3_access_key": ACCESS_KEY,
            "s3_secret_key": SECRET_KEY,
        }

    @property
    def address(self) -> BucketAddress:
        """The bucket as the store takes it."""
        return read_bucket_address(
            f"s3://{_BUCKET}/{self.prefix}", endpoint=self.endpoint, access_key=ACCESS_KEY, secret_key=SECRET_KEY
        )

    def under(self, prefix: str) -> "Bucket":
        """Give a part of the bucket that nobody else uses."""
        return replace(self, prefix=prefix)

    def through(self, port: int) -> "Bucket":
        """Give the same bucket, reached by way of another port."""
        return replace(self, endpoint=f"http://127.0.0.1:{port}")


@contextmanager
def run_seaweedfs() -> Iterator[Bucket]:
    """Run SeaweedFS with its S3 gateway."""
    with tempfile.TemporaryDirectory(prefix="pfn-s3-") as folder:
        config = Path(folder) / "s3.json"
        identity = {
            "name": "pfn",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List"],
        }
        config.write_text(json.dumps({"identities": [identity]}))
        names = ("master", "volume", "filer", "s3")
        ports = free_ports(2 * len(names))
        http, grpc = dict(zip(names, ports[:4], strict=True)), dict(zip(names, ports[4:], strict=True))
        command = [
            *(_program("weed"), "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
            *("-master.telemetry=false", "-master.volumeSizeLimitMB=128", "-master.electionTimeout=1s"),
            *("-volume.max=8", "-volume.preStopSeconds=0", "-filer", "-s3", f"-s3.config={config}", "-s3.iam=false"),
            *(
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                f"-s3.localSocket={folder}/s3",
                f"-filer.localSocket={folder}/f",
            ),
            *(f"-{name}.port={http[name]}" for name in names),
            *(f"-{name}.port.grpc={grpc[name]}" for name in names),
        ]
        with _run(command, folder, http["s3"], wait=60) as bucket:
            yield bucket


@contextmanager
def run_rclone() -> Iterator[Bucket]:
    """Run rclone as an S3 service over a folder."""
    with tempfile.TemporaryDirectory(prefix="pfn-s3-") as folder:
        (Path(folder) / "files" / _BUCKET).mkdir(parents=True)
        [port] = free_ports(1)
        command = [
            *(_program("rclone"), "serve", "s3", f"{folder}/files", f"--addr=127.0.0.1:{port}"),
            *(f"--auth-key={ACCESS_KEY},{SECRET_KEY}", f"--config={folder}/none", f"--cache-dir={folder}/cache"),
        ]
        with _run(command, folder, port, wait=30) as bucket:
            yield bucket


@contextmanager
def _run(command: Sequence[str], folder: str, port: int, *, wait: float) -> Iterator[Bucket]:
    environment = {"HOME": folder, "PATH": os.environ["PATH"]}
    with (Path(folder) / "log").open("w+") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment)
        try:
            bucket = Bucket(f"http://127.0.0.1:{port}")
            until = time.monotonic() + wait
            while not _answers(bucket):
                if process.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    raise AssertionError(f"{command[0]} does not serve:\n{log.read()[-4000:]}")
                time.sleep(0.1)
            yield bucket
        finally:
            process.kill()
            process.wait()


def _answers(bucket: Bucket) -> bool:
    """Tell whether a bucket takes an object; its service answers long before that."""
    import obstore
    from obstore.store import S3Store

    store = S3Store(
        _BUCKET,
        endpoint=bucket.endpoint,
        access_key_id=ACCESS_KEY,
        secret_access_key=SECRET_KEY,
        client_options={"allow_http": True, "timeout": "5s"},
        retry_config={"max_retries": 0},
    )
    try:
        obstore.put(store, "ready", b"yes", use_multipart=False)
        obstore.delete(store, "ready")
    except (obstore.exceptions.BaseError, OSError):
        return False
    return True


def _program(name: str) -> str:
    """Find a program beside Python's own or on the path; skips on a laptop without it."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None and "CI" not in os.environ:
        pytest.skip(f"{name} is not installed here")
    return found or name


def free_ports(count: int) -> list[int]:
    """Give ports of 127.0.0.1 that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in sockets]
    finally:
        for one in sockets:
            one.close()


def open_url(url: str, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Give status, headers and body of a GET, as a client without keys has them."""
    request = urllib.request.Request(url, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, {key.lower(): value for key, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {}, error.read()
