"""Lost entries come back from whoever kept them, exactly, or not at all."""

import shutil
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import delete, update
from tests.protocol.log.trees import LOG
from tests.services.conftest import StandingClock
from tests.support.log import read_log
from tests.support.network import ServedNode, make_peers, serve_node
from tests.support.peers import make_key, make_peer
from tests.support.problem import assert_problem
from tests.support.records import ANN, BOB, make_source

from pfn.domain.activity import ActivityFilter
from pfn.domain.peer import PeerState
from pfn.domain.schedule import Outcome, Result, Work
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import AnyLeaf, YankLeaf, write_leaf
from pfn.protocol.log.merkle import leaf_hash
from pfn.protocol.peer_leaves import MAX_LEAVES, KeptLeaves, read_kept_leaves
from pfn.services.leaf import append, evidence_leaf
from pfn.services.log import LogService, read_mark
from pfn.services.log_check import check_log
from pfn.services.recovery import Recovered, RecoveryService
from pfn.storage.activity import list_activities
from pfn.storage.database import Database
from pfn.storage.identity import LOG_MARK_NAME
from pfn.storage.log import count_leaves, list_filed, list_leaves
from pfn.storage.peer import add_peer
from pfn.storage.schema import log_heads, log_leaves, log_tiles
from pfn.storage.source import add_source, get_source
from pfn.testing.publisher import FakePublisher
from pfn.work.dispatch import do_work


def leaf(number: int, label: str = "leaf") -> YankLeaf:
    return YankLeaf(at=number, source="alice@plugins.example.com", slug=label, version=str(number), catalog="0" * 64)


@dataclass
class Keeper:
    """Peers by URL, each with the leaves it kept; ``note`` is what all of them saw of the log."""

    kept: dict[str, list[bytes]] = field(default_factory=dict)
    note: bytes = b""
    page: int = 7

    async def get_witnessed(self, url: str, origin: str) -> bytes | None:
        if url not in self.kept:
            raise PfnError(Code.PEER_UNREACHABLE, "The test took it away.")
        return self.note or None

    async def get_peer_leaves(self, url: str, origin: str, start: int, end: int) -> KeptLeaves:
        if url not in self.kept:
            raise PfnError(Code.PEER_UNREACHABLE, "The test took it away.")
        leaves = self.kept[url]
        return KeptLeaves(origin, start, tuple(leaves[start : min(end, start + self.page)]), len(leaves), self.note)


class Lost:
    """A log of 20 entries, signed, that was set back to 8."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.clock = StandingClock()
        self.mark = folder / "log.mark"
        self.log = LogService(database, self.clock, LOG, self.mark)
        self.keeper = Keeper()
        self.recovery = RecoveryService(database, self.log, self.keeper, self.mark, self.clock)  # type: ignore[arg-type]

    async def grow(self, start: int, end: int, label: str = "leaf") -> None:
        async with self.database.write() as connection:
            await append(connection, [leaf(number, label) for number in range(start, end)], 5)

    async def begin(self, last: AnyLeaf | None = None) -> list[bytes]:
        await self.grow(0, 19)
        async with self.database.write() as connection:
            await append(connection, [last or leaf(19)], 5)
        self.keeper.note = (await self.log.sign()).note.encode()
        async with self.database.read() as connection:
            leaves = list(await list_leaves(connection, 0, 20))
        async with self.database.write() as connection:
            for number in (1, 2, 3):
                await add_peer(connection, make_peer(number))
        await self.set_back(leaves, 8)
        return leaves

    async def set_back(self, leaves: Sequence[bytes], size: int) -> None:
        async with self.database.write() as connection:
            await connection.execute(delete(log_leaves).where(log_leaves.c.idx >= size))
            await connection.execute(delete(log_heads).where(log_heads.c.size > size))
            hashes = b"".join(leaf_hash(one) for one in leaves[:size])
            await connection.execute(update(log_tiles).values(hashes=hashes))
        # A process of after the restore remembers nothing.
        self.log = LogService(self.database, self.clock, LOG, self.mark)
        self.recovery = RecoveryService(self.database, self.log, self.keeper, self.mark, self.clock)  # type: ignore[arg-type]


@pytest.fixture
async def lost(database: Database, tmp_path: Path) -> Lost:
    return Lost(database, tmp_path)


ONE, TWO, THREE = (make_peer(number).url for number in (1, 2, 3))


async def refused(lost: Lost) -> Code:
    async with lost.database.read() as connection:
        before = await count_leaves(connection)
    with pytest.raises(PfnError) as caught:
        await lost.recovery.recover("operator")
    assert await lost.log.halted() is not None
    async with lost.database.read() as connection:
        assert await count_leaves(connection) == before
    return caught.value.code


@pytest.mark.parametrize("with_mark", [True, False])
async def test_they_come_back_exactly(lost: Lost, with_mark: bool) -> None:
    leaves = await lost.begin()
    if not with_mark:
        # The whole folder was restored; then a witness told.
        lost.mark.unlink()
        await lost.log.halt("A witness has seen more.")
    assert await lost.log.check() is not None
    lost.keeper.kept = {TWO: leaves}
    assert await lost.recovery.recover("operator") == Recovered(12, TWO, 20)
    assert await lost.log.halted() is None
    # The mark reaches up to there again, whether it was lost or not.
    mark = read_mark(lost.mark)
    assert mark is not None
    assert mark.size == 20
    async with lost.database.read() as connection:
        filed = await list_filed(connection, 0, 20)
        (event,) = await list_activities(connection, ActivityFilter(actions=frozenset({"log_recovered"})), limit=9)
    assert [one.leaf for one in filed] == leaves
    assert [one.version for one in filed] == [str(number) for number in range(20)]
    assert event.actor == "operator"
    await check_log(lost.database, LOG.verifier_key, None, lambda _done, _size: None)
    await lost.grow(20, 21)
    assert await lost.log.check() is None
    # Again there is nothing to do.
    assert await lost.recovery.recover("operator") == Recovered(0, None, 21)


async def test_nobody_keeps_all_of_them(lost: Lost) -> None:
    leaves = await lost.begin()
    await lost.log.check()
    assert await refused(lost) is Code.LOG_ROLLBACK
    lost.keeper.kept = {ONE: leaves[:19], TWO: []}
    assert await refused(lost) is Code.LOG_ROLLBACK
    lost.keeper.kept = {ONE: leaves[:19], THREE: leaves}
    assert (await lost.recovery.recover("operator")).peer == THREE


async def test_a_peer_that_brings_other_entries_is_not_believed(lost: Lost) -> None:
    leaves = await lost.begin()
    await lost.log.check()
    other = write_leaf(leaf(99, "forged"))
    for forged in (
        [*leaves[:10], other, *leaves[11:]],
        [*leaves[:10], leaves[11], leaves[10], *leaves[12:]],
        [*leaves[:9], *leaves[10:], other],
        [*leaves[:-1], b"nonsense"],
    ):
        lost.keeper.kept = dict.fromkeys((ONE, TWO, THREE), forged)
        assert await refused(lost) is Code.LOG_CONSISTENCY
    lost.keeper.kept = {ONE: forged, TWO: leaves}
    assert (await lost.recovery.recover("operator")).peer == TWO


async def test_entries_without_end_fill_no_memory(lost: Lost) -> None:
    leaves = await lost.begin()
    await lost.log.check()
    endless = [b"x" * 30_000] * 20
    lost.keeper.kept = {ONE: endless}
    with pytest.raises(PfnError, match="longer entries than this log ever had"):
        await lost.recovery.recover("operator")
    lost.keeper.kept = {ONE: endless, TWO: leaves}
    assert (await lost.recovery.recover("operator")).peer == TWO


async def test_a_source_the_lost_entries_speak_against_is_gated_again(lost: Lost) -> None:
    async with lost.database.write() as connection:
        for name in (ANN, BOB):
            await add_source(connection, make_source(name, public_key=make_key(9).public_key.pem))
    leaves = await lost.begin(evidence_leaf("catalog_fork", ANN, b"one", b"other", 5))
    await lost.log.check()
    lost.keeper.kept = {ONE: leaves}
    await lost.recovery.recover("operator")
    async with lost.database.read() as connection:
        found = [await get_source(connection, name) for name in (ANN, BOB)]
    assert [one.gates for one in found if one is not None] == [("equivocation",), ()]


async def test_a_note_that_is_not_our_own_sets_no_aim(lost: Lost) -> None:
    leaves = await lost.begin()
    await lost.log.check()
    lost.keeper.note = b"nonsense"
    lost.keeper.kept = {ONE: leaves}
    assert (await lost.recovery.recover("operator")).size == 20


async def test_a_log_that_went_another_way_cannot_be_mended(lost: Lost) -> None:
    leaves = await lost.begin()
    await lost.grow(8, 11, "another-way")
    await lost.log.check()
    lost.keeper.kept = dict.fromkeys((ONE, TWO, THREE), leaves)
    assert await refused(lost) is Code.LOG_CONSISTENCY
    # Nor where it has grown beyond what it had signed before, and signed that, before a witness told.
    lost.mark.unlink()
    await lost.log.resume("operator")
    await lost.grow(11, 25, "another-way")
    await lost.log.sign()
    await lost.log.halt("A witness shows another tree.")
    assert await refused(lost) is Code.LOG_CONSISTENCY


@pytest.fixture
async def theirs(tmp_path: Path) -> AsyncIterator[ServedNode]:
    async with serve_node(tmp_path / "theirs") as node:
        yield node


async def read_peer(node: ServedNode, peer_id: int) -> None:
    """Read a peer's log on, as a worker does."""
    lease = await node.services.leases.claim(Work.PEER, str(peer_id))
    assert lease is not None
    try:
        outcome = await do_work(node.services, lease)
    except PfnError as error:
        outcome = Outcome(Result.FAILED, detail=error.code.slug)
    assert await node.services.schedule.finish(lease, outcome)


async def mirror(node: ServedNode, publisher: FakePublisher) -> str:
    body = {"instance_url": publisher.url, "username": publisher.username, "public_key": publisher.public_key_pem}
    source_id: str = (await node.post("add-source", **body)).json()["source_id"]
    assert (await node.post("verify-source", sourceId=source_id)).json()["success"]
    assert (await node.post("subscribe", sourceId=source_id)).status_code == 200
    return source_id


async def test_a_node_from_an_old_backup_gets_its_log_and_its_releases_back(tmp_path: Path, theirs: ServedNode) -> None:
    data, clock = tmp_path / "mine", theirs.clock
    async with FakePublisher("bob") as bob:
        bob.add_plugin("old", "1.0")
        async with serve_node(data, clock=clock) as mine:
            own_id = (await make_peers(mine, theirs))[1]
            source_id = await mirror(mine, bob)
            port = urlsplit(mine.url).port
            assert port is not None
        shutil.copytree(data, tmp_path / "backup")
        async with serve_node(data, clock=clock, port=port) as mine:
            for number in range(5):
                bob.add_plugin(f"new-{number}", "1.0")
            await mine.services.syncs.run_now(source_id)
            before = await read_log(mine.http)
            rows = await mine.get("plugins")
            await read_peer(theirs, own_id)
        mark = (data / LOG_MARK_NAME).read_bytes()
        shutil.rmtree(data)
        shutil.copytree(tmp_path / "backup", data)
        (data / LOG_MARK_NAME).write_bytes(mark)

        async with serve_node(data, clock=clock, port=port) as mine:
            assert "set back" in (await mine.get("log"))["halted"]
            # Whoever reads it now sees a node that cannot answer, and no older tree.
            await read_peer(theirs, own_id)
            assert (await theirs.get(f"peers/{own_id}"))["state"] == PeerState.ACTIVE
            answer = await mine.post("log/recover")
            assert answer.status_code == 200, answer.text
            assert answer.json()["peer"] == theirs.url
            assert answer.json()["size"] == before.checkpoint.size
            recovered = await read_log(mine.http)
            assert recovered.leaves[: len(before.leaves)] == before.leaves
            await mine.services.syncs.run_now(source_id)
            assert len(rows["plugins"]) == 6
            assert _places(await mine.get("plugins")) == _places(rows)
            again = await read_log(mine.http)
            assert len(again.of("release")) == len(before.of("release"))
            await check_log(mine.database, mine.services.log.key, None, lambda _done, _size: None)
            # To its peers it is the log it always was.
            await read_peer(theirs, own_id)
            shown = await theirs.get(f"peers/{own_id}")
            assert (shown["state"], shown["lag"]) == (PeerState.ACTIVE, 0)


def _places(page: dict) -> dict[str, int]:  # type: ignore[type-arg]  # JSON
    return {row["plugin_id"]: row["versions"][0]["log"]["index"] for row in page["plugins"]}


async def test_what_is_kept_of_a_peer_is_given_in_pages_to_anybody(tmp_path: Path, theirs: ServedNode) -> None:
    async with serve_node(tmp_path / "mine", clock=theirs.clock) as mine, FakePublisher("bob") as bob:
        for number in range(MAX_LEAVES + 10):
            bob.add_plugin(f"plugin-{number}", "1.0")
        own_id = (await make_peers(mine, theirs))[1]
        await mirror(mine, bob)
        log = await read_log(mine.http)
        await read_peer(theirs, own_id)

        async def get(start: int, end: int) -> KeptLeaves:
            query = {"origin": log.checkpoint.origin, "start": start, "end": end}
            answer = await theirs.http.get("/federation/peer-leaves", params=query)
            assert answer.status_code == 200, answer.text
            return read_kept_leaves(answer.content)

        size = log.checkpoint.size
        first = await get(0, size)
        assert (len(first.leaves), first.size) == (MAX_LEAVES, size)
        rest = await get(MAX_LEAVES, size + 1000)
        assert (*first.leaves, *rest.leaves) == log.leaves
        assert first.note.decode().startswith(log.checkpoint.text)
        assert (await get(size, size + 9)).leaves == (await get(5, 5)).leaves == (await get(9, 3)).leaves == ()
        query = {"origin": "nobody.example.org/pfn", "start": 0, "end": 9}
        assert_problem(await theirs.http.get("/federation/peer-leaves", params=query), Code.LOG_UNKNOWN)
        assert (await theirs.http.get("/federation/peer-leaves", params=query | {"start": -1})).status_code == 422
