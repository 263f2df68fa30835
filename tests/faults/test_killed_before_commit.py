"""kill -9 in the very moment when the bytes are durable and their rows are not: nothing is there, and all comes."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from tests.support.log import read_log
from tests.support.node import run_node
from tests.web.api.conftest import Api

from pfn.testing.publisher import FakePublisher

pytestmark = pytest.mark.slow
PLUGINS = 7
# The command `pfn`, but for one thing.
KILLED = """
import os, signal
from pfn.cli.main import main
from pfn.storage.file_blobs import FileBlobStore
keep = FileBlobStore.keep
async def keep_and_die(self, arrived):
    await keep(self, arrived)
    os.kill(os.getpid(), signal.SIGKILL)
FileBlobStore.keep = keep_and_die
main()
"""


def ask(rows: str, query: str) -> list[int]:
    url = make_url(rows)
    engine = create_engine(url.set(drivername="sqlite+pysqlite") if url.get_backend_name() == "sqlite" else url)
    with engine.begin() as connection:
        found = connection.execute(text(query))
        numbers = [int(row[0]) for row in found] if found.returns_rows else []
    engine.dispose()
    return numbers


async def test_bytes_without_rows_are_nothing_and_come_again(tmp_path: Path, database_url: str) -> None:
    data, rows = tmp_path / "node", database_url
    environment = {"PFN_DATABASE_URL": rows, "PFN_MASTER_KEY": "a master key for this test", "PFN_ALLOW_LOOPBACK": "1"}
    async with FakePublisher("alice") as publisher:
        with run_node(data, environment=environment) as node:
            async with node.async_client() as http:
                source_id = await Api(http).add(publisher)
                assert (await Api(http).post("subscribe", sourceId=source_id)).status_code == 200
        for number in range(PLUGINS):
            publisher.add_plugin(f"plugin-{number}", "1.0")
        await asyncio.to_thread(ask, rows, "UPDATE schedule SET due_at = 0 WHERE kind = 'sync'")
        died = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", KILLED, "work", "--once", "--data", str(data)],
            env={**os.environ, **environment},
            check=False,
        )
        assert died.returncode == -signal.SIGKILL
        blobs = data / "blobs"
        kept = [path for path in blobs.rglob("*") if path.is_file() and path.relative_to(blobs).parts[0] != "tmp"]
        assert kept, "it died before any bytes were kept"
        assert ask(rows, "SELECT count(*) FROM mirrored_plugins") == [0]
        assert ask(rows, "SELECT count(*) FROM log_leaves WHERE kind = 'release'") == [0]
        with run_node(data, environment=environment) as node:
            async with node.async_client() as http:
                api = Api(http)
                # Its lease is another's to take once it ran out.
                await asyncio.to_thread(ask, rows, "UPDATE schedule SET lease_until = 0 WHERE owner IS NOT NULL")
                sync = await api.sync(source_id)
                assert (sync["state"], sync["mirrored"]) == ("finished", PLUGINS), sync
                assert len((await read_log(http)).of("release")) == PLUGINS
                assert list((data / "blobs" / "tmp").iterdir()) == []
