"""A node that has lived is backed up, restored, moved to PostgreSQL and S3: the same node all the way."""

from pathlib import Path

import pytest
from scripts.lived_node import open_lived_node
from tests.support.all_rows import read_all_rows
from tests.support.bucket import Bucket
from tests.support.network import serve_node
from tests.support.rows import create_database

from pfn.app import back_up_node, look_over_log, move_node
from pfn.services.restore import restore_backup
from pfn.settings import Settings
from pfn.storage.database import sqlite_url

pytestmark = [pytest.mark.slow, pytest.mark.grown]


def quiet(*_told: object) -> None:
    return


async def test_a_lived_node_stays_the_same_wherever_it_goes(tmp_path: Path, postgres: str, seaweedfs: Bucket) -> None:
    data, folder, again = tmp_path / "node", tmp_path / "backup", tmp_path / "again"
    async with open_lived_node(data, days=8) as node:
        state, page = await node.services.state.held(), await node.services.activities.list(None, limit=100)
        kept = await node.services.log.sign()
        # While it runs.
        made = await back_up_node(Settings(data=data), folder, quiet)
    assert (made.manifest.state_digest, made.manifest.log_size) == (state.digest, kept.head.size)
    assert made.manifest.log_root == kept.head.root.hex()
    assert made.manifest.zips.lost == []
    assert made.manifest.zips.count > 5
    assert await restore_backup(folder, again, quiet) == made.manifest
    rows = read_all_rows(sqlite_url(data / "node.db"))
    assert read_all_rows(sqlite_url(again / "node.db")) == rows

    # It was not away for a moment, so nobody needs to be asked.
    (again / "log.restored").unlink()
    there = create_database(postgres, "lived")
    elsewhere = dict(seaweedfs.under("lived").settings)
    url = elsewhere.pop("blobs_url")
    moved = await move_node(Settings(data=again, **elsewhere), there, url, quiet)
    assert moved.blobs is not None
    assert moved.blobs.lost == ()
    assert moved.standing.state_digest == state.digest
    assert read_all_rows(there) == rows
    settings = {"database_url": there, "blobs_url": url, **elsewhere}
    assert (await look_over_log(Settings(data=again, **settings), quiet)).size == kept.head.size
    async with serve_node(again, **settings) as served:
        assert (await served.services.state.held()).digest == state.digest
        assert (await served.services.log.sign()).note == kept.note
        assert await served.services.activities.list(None, limit=100) == page
        for plugin in (await served.get("plugins"))["plugins"]:
            query = {"source": plugin["source_id"], "plugin": plugin["plugin_id"]}
            answer = await served.http.get("/federation/download", params=query)
            assert answer.status_code == 200
            assert answer.content.startswith(b"PK")
