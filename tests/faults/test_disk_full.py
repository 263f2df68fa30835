"""A disk that is really full, in the middle of a zip and to the last byte: said, survived, and over with room."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.mesh import download, follow
from tests.support.network import ServedNode, serve_node
from tests.support.small_disk import SmallDisk, mount_small_disk

from pfn.app import back_up_node
from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import sqlite_url
from pfn.testing.publisher import FakePublisher

pytestmark = [pytest.mark.slow, pytest.mark.grown]

# What the node itself needs is a few megabytes.
SMALL, LARGE = 24, 96
BIG_ZIP = 40 * 1024 * 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with mount_small_disk(tmp_path / "disk", SMALL) as disk:
        yield disk


def add_big(publisher: FakePublisher) -> None:
    publisher.add_plugin("big", "1.0", files={"data.bin": os.urandom(BIG_ZIP)})


async def assert_serves(node: ServedNode, source: str) -> None:
    """Everything that was there is answered for, whatever the disk."""
    assert (await download(node, source, "small", "1.0")).startswith(b"PK")
    assert [row["plugin_id"] for row in (await node.get("plugins", source=source))["plugins"]][-1] == "small"
    assert (await node.http.get("/plugins")).status_code == 200
    assert (await node.http.get("/log/checkpoint")).status_code == 200
    assert (await node.http.get("/livez")).status_code == 200


def zips(disk: SmallDisk) -> int:
    return len(list((disk.path / "node" / "blobs" / "sha256").rglob("*/*")))


async def test_a_zip_that_finds_no_room(disk: SmallDisk) -> None:
    data = disk.path / "node"
    # Without a reserve, so that the disk itself has to say no.
    settings = {"min_free_bytes": 0, "database_url": sqlite_url(data / "node.db")}
    async with FakePublisher("bob") as bob, serve_node(data, **settings) as node:
        bob.add_plugin("small", "1.0")
        source = await follow(node, bob)
        await node.http.get("/log/checkpoint")
        add_big(bob)
        for _ in range(2):
            outcome = await node.services.syncs.run_now(source)
            assert outcome.sync.code == Code.STORAGE_FULL.slug
            assert zips(disk) == 1
            assert list((data / "blobs" / "tmp").iterdir()) == []
            await assert_serves(node, source)
        assert (await node.actions()).count("storage_full") == 1
        disk.resize(LARGE)
        outcome = await node.services.syncs.run_now(source)
        assert outcome.sync.code is None
        assert zips(disk) == 2
        assert len(await download(node, source, "big", "1.0")) > BIG_ZIP
        assert (await node.actions())[-1] != "storage_full"
        assert (await node.actions()).count("storage_recovered") == 1


async def test_not_one_byte_left(disk: SmallDisk) -> None:
    """Neither rows nor zips can be written: whoever wants that is told, and whoever reads notices nothing."""
    data = disk.path / "node"
    settings = {"min_free_bytes": 0, "database_url": sqlite_url(data / "node.db")}
    async with FakePublisher("bob") as bob, serve_node(data, **settings) as node:
        bob.add_plugin("small", "1.0")
        source = await follow(node, bob)
        await node.http.get("/log/checkpoint")
        bob.add_plugin("later", "1.0")
        disk.fill()
        # The write-ahead log may have room that it was given before.
        refused = []
        for number in range(400):
            answer = await node.post("create-subscriber-key", description="x" * 190, owner=f"owner-{number}")
            refused.append(answer.status_code)
            if answer.status_code != 200:
                assert (answer.status_code, answer.json()["code"]) == (507, Code.STORAGE_FULL.slug)
                break
        assert refused[-1] == 507
        with pytest.raises(PfnError) as caught:
            await node.services.syncs.run_now(source)
        assert caught.value.code is Code.STORAGE_FULL
        await assert_serves(node, source)
        assert "the disk is full" in (await node.http.get("/readyz")).text
        disk.make_room()
        assert (await node.services.syncs.run_now(source)).sync.code is None
        assert zips(disk) == 2
        # It looks again after a while.
        node.clock.now += 60
        assert "the disk is full" not in (await node.http.get("/readyz")).text
        assert (await node.services.log.check()) is None


async def test_a_backup_that_finds_no_room(tmp_path: Path, disk: SmallDisk) -> None:
    data, folder = tmp_path / "node", disk.path / "backup"
    async with FakePublisher("bob") as bob, serve_node(data, database_url=sqlite_url(data / "node.db")) as node:
        bob.add_plugin("small", "1.0")
        await follow(node, bob)
        made = await back_up_node(node.prepared.settings, folder, lambda _step, _done, _total: None)
        add_big(bob)
        [source] = [row["id"] for row in await node.get("sources")]
        await node.services.syncs.run_now(source)
        for fill in (False, True):
            if fill:
                disk.fill()
            with pytest.raises(PfnError) as caught:
                await back_up_node(node.prepared.settings, folder, lambda _step, _done, _total: None)
            assert caught.value.code is Code.STORAGE_FULL
            assert (folder / "manifest.json").read_text() == made.manifest.model_dump_json(indent=1) + "\n"
        disk.make_room()
        disk.resize(LARGE)
        again = await back_up_node(node.prepared.settings, folder, lambda _step, _done, _total: None)
        assert (again.manifest.zips.count, again.copied) == (2, 1)
