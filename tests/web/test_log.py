"""The log over HTTP: whoever reads it through its files alone finds the tree that was signed, and every byte proven."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.support.log import get_tile, read_log
from tests.support.problem import assert_problem
from tests.support.syncing import SyncNode, open_sync_node

from pfn.protocol.errors import Code
from pfn.protocol.log.checkpoint import parse_checkpoint
from pfn.protocol.log.entry import ReleaseLeaf, SourceLeaf, VerificationLeaf
from pfn.protocol.log.merkle import check_consistency, leaf_hash, prove_consistency
from pfn.protocol.log.note import parse_note
from pfn.protocol.log.tile import Tile, read_nodes, tiles_for_consistency, written_tiles
from pfn.testing.publisher import FakePublisher

MANY = 300


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[SyncNode]:
    async with open_sync_node(tmp_path / "node") as node:
        yield node


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    async with FakePublisher("alice") as publisher:
        yield publisher


async def test_an_empty_log_is_signed_too(node: SyncNode) -> None:
    log = await read_log(node.http)
    assert log.checkpoint.head == (await node.services.log.sign()).head
    assert (log.checkpoint.size, log.checkpoint.origin) == (0, "node.test/pfn")
    assert_problem(await node.http.get("/log/tile/0/000"), Code.NOT_FOUND)


async def test_the_whole_log_is_read_back_through_its_files(node: SyncNode, publisher: FakePublisher) -> None:
    for number in range(MANY):
        publisher.add_plugin(f"plugin-{number}", "1.0")
    source_id = await node.add(publisher)
    before = parse_checkpoint(parse_note((await node.http.get("/log/checkpoint")).content).text)
    assert (await node.subscribe(source_id))["mirroredCount"] == MANY

    log = await read_log(node.http)
    assert [type(leaf) for leaf in log.parsed[:2]] == [SourceLeaf, VerificationLeaf]
    logged = {leaf.slug: leaf for leaf in log.of("release") if isinstance(leaf, ReleaseLeaf)}
    assert len(log.of("release")) == len(logged) == MANY
    for plugin in (await node.get("plugins", limit=200))["plugins"]:
        leaf = logged[plugin["plugin_id"]]
        shown = plugin["versions"][0]
        assert (leaf.source, leaf.version, leaf.length, leaf.sha256) == (
            source_id,
            "1.0",
            shown["size"],
            shown["sha256"],
        )
        assert leaf.signature is not None
        assert leaf.manifest is not None

    # The tiles of hashes make the same tree, and prove that it grew from the one of before.
    size = log.checkpoint.size
    tiles = {tile: await get_tile(node.http, tile) for tile in written_tiles(0, size)}
    hashes = b"".join(leaf_hash(leaf) for leaf in log.leaves)
    assert b"".join(tiles[tile] for tile in sorted(tiles, key=lambda one: one.number) if tile.level == 0) == hashes
    needed = {tile: tiles[tile] for tile in tiles_for_consistency(before.size, size)}
    proof = prove_consistency(before.size, size, read_nodes(needed, size))
    check_consistency(before.size, before.root, size, log.checkpoint.root, proof)


async def test_what_is_full_is_kept_for_ever_and_what_grows_is_not(node: SyncNode, publisher: FakePublisher) -> None:
    for number in range(MANY):
        publisher.add_plugin(f"plugin-{number}", "1.0")
    await node.subscribe(await node.add(publisher))
    size = (await read_log(node.http)).checkpoint.size
    partial = size - 256
    for path, forever in (
        ("checkpoint", False),
        ("tile/0/000", True),
        ("tile/entries/000", True),
        (f"tile/0/001.p/{partial}", False),
        (f"tile/entries/001.p/{partial}", False),
        # Any start of a tile is a tile, also of one that is full by now.
        ("tile/0/000.p/7", False),
        ("tile/1/000.p/1", False),
    ):
        answer = await node.http.get(f"/log/{path}")
        assert answer.status_code == 200, path
        assert ("immutable" in answer.headers["cache-control"]) is forever, path
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["content-type"] == (
            "text/plain; charset=utf-8" if path == "checkpoint" else "application/octet-stream"
        )
        again = await node.http.get(f"/log/{path}", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        head = await node.http.head(f"/log/{path}")
        assert (head.status_code, head.content, head.headers["etag"]) == (200, b"", answer.headers["etag"])
    full = (await node.http.get("/log/tile/0/000")).content
    assert (await node.http.get("/log/tile/0/000.p/7")).content == full[: 7 * 32]


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/001",
        "tile/0/000.p/9",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/1/000.p/1",
        "tile/0/0",
        "tile/0/x000/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/entries/001",
        "tile/data/000",
        "tile/0/000.p/1/2",
        "tile/8/0/000",
        "tile/",
        "other",
    ],
)
async def test_what_is_no_tile_of_the_tree_is_not_there(node: SyncNode, publisher: FakePublisher, path: str) -> None:
    await node.add(publisher)
    assert_problem(await node.http.get(f"/log/{path}"), Code.NOT_FOUND)


async def test_a_tile_reaches_as_far_as_the_signed_tree_and_no_further(
    node: SyncNode, publisher: FakePublisher
) -> None:
    await node.add(publisher)
    size = (await read_log(node.http)).checkpoint.size
    assert size == 2
    publisher.add_plugin("late", "1.0")
    await node.subscribe((await node.get("sources"))[0]["id"])
    # Asking for more than was signed has it signed.
    entry = Tile(None, 0, 3)
    assert len(await get_tile(node.http, entry)) > 0
    note = parse_note((await node.http.get("/log/checkpoint")).content)
    assert parse_checkpoint(note.text).size == 3


async def test_a_release_can_be_had_by_what_the_log_says_of_it(node: SyncNode, publisher: FakePublisher) -> None:
    publisher.add_plugin("hello", "1.0")
    source_id = await node.add(publisher)
    await node.subscribe(source_id)
    (leaf,) = (await read_log(node.http)).of("release")
    assert isinstance(leaf, ReleaseLeaf)
    zipped = await node.http.get("/federation/download", params={"source": leaf.source, "plugin": leaf.slug})
    assert hashlib.sha256(zipped.content).hexdigest() == leaf.sha256
