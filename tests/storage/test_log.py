"""The log's rows: whatever way leaves came in, the tree is the one RFC 6962 says, and proofs from tiles hold."""

import hashlib
from collections.abc import Sequence

import pytest

from pfn.protocol.log.merkle import (
    Frontier,
    check_consistency,
    check_inclusion,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
)
from pfn.protocol.log.tile import Tile, read_nodes, tiles_for_consistency, tiles_for_inclusion
from pfn.storage.database import Database
from pfn.storage.log import NewLeaf, append_leaves, count_leaves, list_leaves, read_head, read_tiles


def leaves(start: int, end: int) -> list[NewLeaf]:
    return [NewLeaf("release", f"leaf {number}".encode(), "a@b", "p", str(number)) for number in range(start, end)]


async def grow(database: Database, steps: Sequence[int]) -> None:
    size = 0
    for step in steps:
        async with database.write() as connection:
            assert await append_leaves(connection, leaves(size, size + step), 5) == size
        size += step


async def fail_while_appending(database: Database) -> None:
    async with database.write() as connection:
        await append_leaves(connection, leaves(10, 300), 5)
        raise ZeroDivisionError


@pytest.mark.parametrize(
    "steps", [[1], [255, 1], [256], [257], [100, 156, 1, 255, 300], [66_000], [65_535, 1, 1], [65_536]]
)
async def test_the_tree_is_the_same_however_it_grew(database: Database, steps: list[int]):
    await grow(database, steps)
    size = sum(steps)
    hashes = [leaf_hash(one.leaf) for one in leaves(0, size)]
    async with database.read() as connection:
        assert await count_leaves(connection) == size
        head = await read_head(connection)
        assert head.size == size
        assert head.root == Frontier().extend(hashes).root
        for old in {1, size // 2 or 1, size - 1 or 1}:
            assert (await read_head(connection, old)).root == Frontier().extend(hashes[:old]).root
        first = Tile(0, 0, min(size, 256))
        assert await read_tiles(connection, [first]) == {first: b"".join(hashes[:256])}
        assert list(await list_leaves(connection, 0, 3)) == [one.leaf for one in leaves(0, min(3, size))]


async def test_proofs_made_of_tiles_hold(database: Database):
    await grow(database, [300, 1_000, 7])
    size = 1_307
    async with database.read() as connection:
        root = (await read_head(connection)).root
        for index in (0, 255, 256, 1_299, 1_306):
            tiles = await read_tiles(connection, tiles_for_inclusion(index, size))
            proof = prove_inclusion(index, size, read_nodes(tiles, size))
            check_inclusion(leaf_hash(f"leaf {index}".encode()), index, size, proof, root)
        for old in (1, 256, 300, 1_299, 1_307):
            tiles = await read_tiles(connection, tiles_for_consistency(old, size))
            proof = prove_consistency(old, size, read_nodes(tiles, size))
            check_consistency(old, (await read_head(connection, old)).root, size, root, proof)


async def test_what_is_rolled_back_was_never_in(database: Database):
    await grow(database, [10])
    with pytest.raises(ZeroDivisionError):
        await fail_while_appending(database)
    async with database.write() as connection:
        assert await append_leaves(connection, leaves(10, 20), 5) == 10
        root = (await read_head(connection)).root
    assert root == Frontier().extend(leaf_hash(one.leaf) for one in leaves(0, 20)).root


async def test_an_empty_log_has_the_root_of_nothing(database: Database):
    async with database.read() as connection:
        head = await read_head(connection)
    assert (head.size, head.root) == (0, hashlib.sha256(b"").digest())
