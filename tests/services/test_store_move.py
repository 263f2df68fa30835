"""A node moves to another database and a bucket, and back, and is the same node; the one left behind logs no more."""

import base64
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from tests.support.all_rows import read_all_rows
from tests.support.bucket import Bucket
from tests.support.mesh import download, follow, sync
from tests.support.network import ServedNode, serve_node
from tests.support.rows import create_database

from pfn.app import move_node, read_database
from pfn.protocol.errors import Code, PfnError
from pfn.services.store_move import Moved
from pfn.settings import Settings
from pfn.storage.database import sqlite_url
from pfn.testing.publisher import FakePublisher

# What a started node writes by itself: when it looked, and what it signed.
RESTLESS = ("log_halts", "schedule", "care", "cursors")


def quiet(_step: str, _done: int, _total: int) -> None:
    return


@pytest.fixture
async def bob() -> AsyncIterator[FakePublisher]:
    async with FakePublisher("bob") as publisher:
        for number in range(4):
            publisher.add_plugin(f"plugin-{number}", "1.0")
        refused = publisher.add_plugin("broken", "1.0")
        publisher.replace_zip("broken", "1.0", refused[:-40])
        yield publisher


@pytest.fixture
def there(postgres: str, tmp_path: Path) -> str:
    """An empty database on PostgreSQL."""
    return create_database(postgres, f"there_{abs(hash(tmp_path)):x}")


async def move(data: Path, database: str | None, blobs: str | None = None, **settings: Any) -> Moved:
    return await move_node(Settings(data=data, **settings), database, blobs, quiet)


async def refusal(work: object) -> tuple[Code, str]:
    with pytest.raises(PfnError) as caught:
        await work  # type: ignore[misc]  # a coroutine
    return caught.value.code, caught.value.detail


def serve_here(data: Path, **settings: Any) -> AbstractAsyncContextManager[ServedNode]:
    """Serve a node with its rows in its folder, on whatever database the other tests are."""
    return serve_node(data, **({"database_url": sqlite_url(data / "node.db")} | settings))


async def answers(node: ServedNode, source: str) -> dict[str, Any]:
    """Give what a client sees of a node that is the same wherever its rows are."""
    return {
        "plugins": await node.get("plugins", source=source),
        "found": [row["plugin_id"] for row in (await node.get("plugins", q="plugin 2"))["plugins"]],
        "state": await node.get("state"),
        "checkpoint": (await node.http.get("/log/checkpoint")).text,
        "activity": (await node.get("activity", limit=200))["activities"],
        "zip": await download(node, source, "plugin-2", "1.0"),
    }


async def test_rows_move_to_postgresql_and_back(tmp_path: Path, bob: FakePublisher, there: str) -> None:
    data = tmp_path / "mine"
    async with serve_here(data) as mine:
        source = await follow(mine, bob)
        before = await answers(mine, source)
        port = urlsplit(mine.url).port
        assert port is not None
    moved = await move(data, there)
    assert base64.b64encode(moved.standing.log.root).decode() in before["checkpoint"]
    assert moved.standing.state_digest == before["state"]["digest"]
    rows = read_all_rows(there, *RESTLESS)
    assert rows == read_all_rows(sqlite_url(data / "node.db"), *RESTLESS)
    assert moved.rows == sum(map(len, read_all_rows(there).values()))
    # What was done is not done twice.
    assert await move(data, there) == moved
    # The node that is left takes nothing in.
    async with serve_here(data, port=port) as left:
        assert "were moved to postgresql" in (await left.get("log"))["halted"]
    async with serve_here(data, port=port, database_url=there) as mine:
        assert await answers(mine, source) == before
        assert (await mine.get("log"))["halted"] is None
        bob.add_plugin("later", "1.0")
        await sync(mine, source)
        after = await answers(mine, source)
    code, detail = await refusal(move(data, there))
    assert (code, "not empty" in detail) == (Code.WRONG_STATE, True)
    # Its folder still has the old rows, so the way back leads to a new file.
    back = sqlite_url(tmp_path / "back.db")
    await move(data, str(tmp_path / "back.db"), database_url=there)
    async with serve_here(data, port=port, database_url=back) as mine:
        assert await answers(mine, source) == after
        assert after["found"] == ["plugin-2"]


@pytest.mark.slow
@pytest.mark.grown
async def test_zips_move_to_a_bucket_and_back(
    tmp_path: Path, bob: FakePublisher, there: str, seaweedfs: Bucket
) -> None:
    data = tmp_path / "mine"
    async with serve_here(data) as mine:
        source = await follow(mine, bob)
        before = await answers(mine, source)
        port = urlsplit(mine.url).port
        assert port is not None
    settings = dict(seaweedfs.under("moved").settings)
    url = settings.pop("blobs_url")
    moved = await move(data, there, url, **settings)
    assert moved.blobs is not None
    assert (moved.blobs.count, moved.blobs.copied, moved.blobs.lost) == (4, 4, ())
    again = await move(data, there, url, **settings)
    assert again.blobs is not None
    assert (again.blobs.count, again.blobs.copied) == (4, 0)
    shutil.move(data / "blobs", tmp_path / "old")
    elsewhere = {"database_url": there, "blobs_url": url, **settings}
    async with serve_here(data, port=port, **elsewhere) as mine:
        assert await answers(mine, source) == before
        bob.add_plugin("later", "1.0")
        await sync(mine, source)
        [item] = await mine.services.quarantine.list()
        after = await answers(mine, source)
    shutil.rmtree(data / "blobs")
    await move(data, str(tmp_path / "back.db"), str(data / "blobs"), **elsewhere)
    assert (data / "blobs" / "quarantine" / item.sha256).is_file()
    async with serve_here(data, port=port, database_url=sqlite_url(tmp_path / "back.db")) as mine:
        assert await answers(mine, source) == after


async def test_a_node_that_runs_is_not_moved(tmp_path: Path, bob: FakePublisher, there: str) -> None:
    data = tmp_path / "mine"
    async with serve_here(data) as mine:
        await follow(mine, bob)
        code, detail = await refusal(move(data, there))
        assert (code, "Stop every pfn serve" in detail) == (Code.WRONG_STATE, True)
    (data / "log.restored").write_text("2026-01-01")
    code, detail = await refusal(move(data, there))
    assert (code, "restored from a backup" in detail) == (Code.WRONG_STATE, True)


@pytest.mark.slow
@pytest.mark.grown
async def test_a_move_that_was_killed_is_gone_on_with(tmp_path: Path, bob: FakePublisher, there: str) -> None:
    data = tmp_path / "mine"
    async with serve_here(data) as mine:
        await follow(mine, bob)

    def kill_at(step: str, done: int) -> Callable[[str, int, int], None]:
        def kill(now: str, so_far: int, _total: int) -> None:
            if now == step and so_far >= done:
                raise KeyboardInterrupt

        return kill

    target = tmp_path / "elsewhere"
    for moment in (("zips", 0), ("zips", 4), ("rows", 0), ("rows", 40), ("log", 0)):
        with pytest.raises(KeyboardInterrupt):
            await move_node(Settings(data=data), there, str(target), kill_at(*moment))
        # Until all of it is known to be there, the node goes on where it is.
        async with serve_here(data) as mine:
            assert (await mine.get("log"))["halted"] is None
    moved = await move(data, there, str(target))
    assert moved.blobs is not None
    assert (moved.blobs.count, moved.blobs.copied) == (4, 0)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("/srv/new.db", "sqlite+aiosqlite:////srv/new.db"),
        ("sqlite:////srv/new.db", "sqlite+aiosqlite:////srv/new.db"),
        ("postgresql://ann:secret@db/pfn", "postgresql+psycopg://ann:secret@db/pfn"),
        ("postgresql+psycopg://db/pfn?sslmode=require", "postgresql+psycopg://db/pfn?sslmode=require"),
    ],
)
def test_databases_are_named_in_many_ways(given: str, url: str) -> None:
    assert read_database(given) == url


@pytest.mark.parametrize("given", ["mysql://db/pfn", "https://db/pfn", "postgresql://db:port/pfn"])
def test_other_databases_are_refused(given: str) -> None:
    with pytest.raises(PfnError) as caught:
        read_database(given)
    assert caught.value.code is Code.CONFIG_INVALID
