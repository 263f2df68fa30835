"""Leaves are filed under what they say, and appended by many at once without a gap, a fork or a deadlock."""

import asyncio
import base64
import hashlib
from dataclasses import replace

import pytest
from tests.support.peers import make_peer
from tests.support.records import ANN, make_release

from pfn.domain.peer import PeerState
from pfn.domain.release import KeptSignature, SignatureLevel
from pfn.domain.schedule import Work
from pfn.protocol.document import Head
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import AnyLeaf, YankLeaf, parse_leaf, write_leaf
from pfn.protocol.log.merkle import Frontier, leaf_hash
from pfn.services.leaf import (
    append,
    append_unless_halted,
    catalog_leaf,
    custody_leaf,
    evidence_leaf,
    file_leaf,
    peer_leaf,
    publisher_leaf,
    read_filed,
    release_leaf,
    yank_leaf,
)
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.log import NewLeaf, count_leaves, halt_log, list_leaves, read_head
from pfn.storage.schedule import claim_due, end_lease, put_due

OLD, NEW = (SigningKey(bytes([number]) * 32).public_key for number in (1, 2))
HASH = "a" * 64
RELEASE = make_release("hello", "1.0", ANN)


@pytest.mark.parametrize(
    ("leaf", "found_by"),
    [
        (release_leaf(RELEASE, (), None, 5), (ANN, "hello", "1.0")),
        (yank_leaf(ANN, "hello", "1.0", HASH, 5), (ANN, "hello", "1.0")),
        (catalog_leaf(ANN, Head(3, HASH), 5), (ANN, None, None)),
        # The version of a key document is none of a release.
        (publisher_leaf(ANN, 7, HASH, 5), (ANN, None, None)),
        (custody_leaf(ANN, OLD.pem, NEW.pem, 9, 5), (ANN, None, None)),
        (evidence_leaf("log_fork", "node.example.org/pfn", b"1", b"2", 5), (None, None, None)),
        (evidence_leaf("statement_fork", ANN, b"1", b"2", 5, slug="hello", version="1.0"), (ANN, "hello", "1.0")),
        (evidence_leaf("catalog_fork", ANN, b"1", b"2", 5), (ANN, None, None)),
        (peer_leaf(make_peer(3), 5), (None, None, None)),
    ],
)
def test_a_leaf_is_filed_under_what_it_says(leaf: AnyLeaf, found_by: tuple[str | None, ...]) -> None:
    filed = file_leaf(leaf)
    assert (filed.kind, filed.leaf) == (leaf.kind, write_leaf(leaf))
    assert (filed.source_id, filed.plugin_id, filed.version) == found_by
    assert read_filed(filed.leaf) == filed


def test_a_leaf_of_a_later_version_comes_back_as_it_was() -> None:
    data = b'{"t":"advisory","v":{"source":"x"}}'
    assert read_filed(data) == NewLeaf("advisory", data)
    with pytest.raises(PfnError) as caught:
        read_filed(b"nonsense")
    assert caught.value.code is Code.LOG_MALFORMED


def test_a_metadata_signature_is_named_by_its_bytes() -> None:
    raw = bytes(64)
    signed = replace(RELEASE, signature=KeptSignature(base64.b64encode(raw).decode(), b"message", OLD.pem))
    leaf = release_leaf(signed, ({"path": "hello/hello.php", "size": 1, "sha256": HASH},), None, 5)
    assert leaf.signature == hashlib.sha256(raw).hexdigest()
    assert leaf.manifest is not None
    # Over the zip itself there is the statement, which names it.
    assert release_leaf(replace(signed, level=SignatureLevel.ARTIFACT), (), HASH, 5).signature is None


def test_a_mere_proposal_is_no_peer() -> None:
    with pytest.raises(ValueError, match="state"):
        peer_leaf(make_peer(3, PeerState.PROPOSED), 5)


async def test_a_halted_log_stops_what_must_be_logged_and_lets_pass_what_cannot_wait(database: Database) -> None:
    leaf = yank_leaf(ANN, "hello", "1.0", HASH, 5)
    async with database.write() as connection:
        await halt_log(connection, "A test halted it.", 5)
    async with database.write() as connection:
        await append_unless_halted(connection, [leaf], 5)
    with pytest.raises(PfnError) as caught:
        async with database.write() as connection:
            await append(connection, [leaf], 5)
    assert caught.value.code is Code.LOG_HALTED
    async with database.read() as connection:
        assert await count_leaves(connection) == 0


async def test_many_append_at_once_and_the_tree_is_that_of_their_order(nodes: tuple[Database, Database]) -> None:
    """Beside workers that claim and end the very work that each append hastens."""
    tasks, each = 6, 8

    async with nodes[0].write() as connection:
        for number in range(3):
            await put_due(connection, Work.WITNESS, str(number), due_at=10_000, interval_s=1)

    async def write(number: int) -> None:
        for step in range(each):
            async with nodes[number % 2].write() as connection:
                leaves = [yank_leaf(ANN, "hello", f"{number}.{step}.{part}", HASH, 5) for part in range(step % 3 + 1)]
                await append(connection, leaves[:1], 5)
                await append(connection, leaves[1:], 5)
                await add_activities(connection, [])

    async def work(number: int) -> None:
        for _ in range(each):
            async with nodes[number % 2].write() as connection:
                claimed = await claim_due(connection, 20_000, token="t", until=30_000, limit=2, per_host=9)
            for due in claimed:
                async with nodes[number % 2].write() as connection:
                    await end_lease(connection, due.kind, due.subject, token="t", following=None, outcome="done")

    await asyncio.gather(*(write(number) for number in range(tasks)), *(work(number) for number in range(2)))
    async with nodes[0].read() as connection:
        size = await count_leaves(connection)
        leaves = list(await list_leaves(connection, 0, size))
        head = await read_head(connection)
    said = [parse_leaf(leaf) for leaf in leaves]
    expected = {f"{n}.{step}.{part}" for n in range(tasks) for step in range(each) for part in range(step % 3 + 1)}
    assert len(said) == size == len(expected)
    assert {leaf.version for leaf in said if isinstance(leaf, YankLeaf)} == expected
    assert head.root == Frontier().extend(leaf_hash(leaf) for leaf in leaves).root
