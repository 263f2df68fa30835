"""The commands in docs/many-processes.md, run as they stand there, but for addresses and ports, with the real parts."""

import asyncio
import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url
from tests.support.bucket import free_ports, run_seaweedfs
from tests.support.log import read_log
from tests.support.node import PFN
from tests.support.postgres import find_postgres, run_server
from tests.web.api.conftest import Api

from pfn.testing.publisher import FakePublisher

pytestmark = [pytest.mark.slow, pytest.mark.grown, pytest.mark.timeout(600)]

GUIDE = Path(__file__).parents[2] / "docs" / "many-processes.md"
READY = ("Listening on", "Working in")


@dataclass
class Shell:
    """Runs the guide's blocks; ``others`` says what stands for what is not here."""

    folder: Path
    others: dict[str, str]
    environment: dict[str, str]
    running: list["subprocess.Popen[str]"] = field(default_factory=list)

    def translate(self, block: str) -> str:
        for here, there in self.others.items():
            block = block.replace(here, there)
        return block

    def run(self, block: str) -> str:
        """Run a block; what goes on for ever is only started. Gives what was printed."""
        said = []
        for line in self.translate(block).splitlines():
            if line.startswith(("pfn serve", "pfn work")):
                self.start(line)
                continue
            done = subprocess.run(
                ["bash", "-c", f"set -euo pipefail\n{line}"],
                env=self.environment,
                capture_output=True,
                text=True,
                cwd=self.folder,
                timeout=180,
                check=False,
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            said.append(done.stdout)
        return "\n".join(said)

    def start(self, line: str) -> None:
        log = self.folder / f"process-{len(self.running)}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                shlex.split(line), env=self.environment, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.running.append(process)
        assert process.stdout is not None
        if not any(said.startswith(READY) for said in process.stdout):
            raise AssertionError(f"{line}\n{log.read_text()[-3000:]}")

    def stop(self) -> None:
        while self.running:
            process = self.running.pop()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
            assert process.stdout is not None
            process.stdout.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    ports = dict(zip(("8080", "8081", "8082"), free_ports(3), strict=True))
    with run_server() as server, run_seaweedfs() as bucket, _stopping(tmp_path) as shell:
        programs = find_postgres()
        assert programs is not None
        url = make_url(server.url)
        shell.others |= {
            "/srv": str(tmp_path),
            "https://plugins.example.com": "http://node.test",
            "postgresql+psycopg://pfn@db.example.com/pfn": url.set(database="pfn").render_as_string(),
            "s3://pfn-blobs": bucket.settings["blobs_url"],
            **{f"--port {here}": f"--port {there}" for here, there in ports.items()},
        }
        shell.environment |= {
            "PATH": f"{Path(PFN).parent}:{programs}:{os.environ['PATH']}",
            "PGHOST": str(url.host),
            "PGPORT": str(url.port),
            "PGUSER": str(url.username),
            "COLUMNS": "300",
            "PFN_ALLOW_LOOPBACK": "1",
            **{f"PFN_{name.upper()}": str(value) for name, value in bucket.settings.items() if name != "blobs_url"},
        }
        yield shell


@contextmanager
def _stopping(folder: Path) -> Iterator[Shell]:
    shell = Shell(folder, {}, dict(os.environ))
    try:
        yield shell
    finally:
        shell.stop()


def client(shell: Shell, port: str, key: str) -> httpx.AsyncClient:
    number = shell.translate(f"--port {port}").split()[1]
    return httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{number}", headers={"Authorization": f"Bearer {key}"}, timeout=60
    )


async def test_the_commands_in_the_guide(shell: Shell) -> None:
    page = GUIDE.read_text(encoding="utf-8")
    one, database, move, keys, processes = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    [settings] = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    run: Any = lambda block: asyncio.to_thread(shell.run, block)  # noqa: E731
    async with FakePublisher("alice") as alice:
        alice.add_plugin("reading-time", "1.0")
        master = re.search(r"^\s+(pfn_master_\S+|pfnm_\S+|\S{30,})\s*$", await run(one), re.MULTILINE)
        assert master is not None
        async with client(shell, "8080", master[1]) as http:
            api = Api(http)
            source_id = await api.add(alice)
            assert (await api.post("subscribe", sourceId=source_id)).status_code == 200
            before = await read_log(http)
        await asyncio.to_thread(shell.stop)
        for block in (database, move, keys):
            await run(block)
        config = shell.folder / "pfn.toml"
        config.write_text(shell.translate(settings))
        shell.environment["PFN_CONFIG"] = str(config)
        await run(processes)
        alice.add_plugin("reading-time", "1.1")
        async with client(shell, "8081", master[1]) as first, client(shell, "8082", master[1]) as second:
            assert (await Api(first).sync(source_id))["mirrored"] == 1
            for http in (first, second):
                after = await read_log(http)
                assert after.leaves[: len(before.leaves)] == before.leaves
                assert after.checkpoint.origin == before.checkpoint.origin
                for version in ("1.0", "1.1"):
                    got = await http.get(f"/dl/{source_id}/reading-time/reading-time.{version}.zip")
                    assert got.status_code == 200, got.text
