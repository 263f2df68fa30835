"""Two writers of one log who fall asleep at the worst places: the tree never forks (decision 012).

The server here takes a sleeper's transaction back after 400 ms, so that pauses beyond that lose it, as 15 seconds do
outside of tests. Whatever was signed, by whomever, must be the start of whatever was signed later.
"""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from sqlalchemy import make_url
from tests.protocol.log.trees import LOG
from tests.services.conftest import StandingClock
from tests.support.rows import create_database

from pfn.protocol.errors import Code, PfnError, SecurityError
from pfn.protocol.log.checkpoint import TreeHead
from pfn.protocol.log.merkle import Frontier, check_consistency, leaf_hash
from pfn.services.log import LogService, read_mark
from pfn.storage.database import Database
from pfn.storage.log import KeptHead, NewLeaf, append_leaves, list_leaves, put_head, read_head

LOSES_S = 0.4
# Nothing, a moment that lets the other come first, and long enough to lose a transaction.
PAUSES = (0.0, 0.0, 0.0, 0.003, 0.02, LOSES_S * 2.5)


class SleepyLog(LogService):
    """Sleeps between looking at the tree and keeping its signature, and between that and moving the mark."""

    nap: Callable[[], float] = staticmethod(lambda: 0.0)

    async def _sign(self, head: TreeHead) -> KeptHead:
        await asyncio.sleep(self.nap())
        return await super()._sign(head)

    def _move_mark(self, head: TreeHead, note: str) -> None:
        time.sleep(self.nap())
        super()._move_mark(head, note)


class Writer:
    """One process's way to the log: ``signed`` is what it would have shown to others."""

    def __init__(self, name: str, url: str, folder: Path, dice: random.Random) -> None:
        self.name = name
        self.database = Database(url)
        self.mark = folder / f"{name}.mark"
        self.log = SleepyLog(self.database, StandingClock(), LOG, self.mark)
        self.log.nap = self.nap
        self.dice = dice
        self.kept: list[bytes] = []
        self.signed: list[KeptHead] = []
        self.lost = 0

    def nap(self) -> float:
        return self.dice.choice(PAUSES)

    async def append(self, leaves: list[bytes]) -> None:
        async with self.database.write() as connection:
            # Holds the lock from here on, as an append of nothing does.
            await append_leaves(connection, [], 5)
            await asyncio.sleep(self.nap())
            await append_leaves(connection, [NewLeaf("release", leaf) for leaf in leaves], 5)
            await asyncio.sleep(self.nap())
        self.kept += leaves

    async def live(self, steps: int) -> None:
        for step in range(steps):
            await asyncio.sleep(self.nap() / 10)
            try:
                await self.append([f"{self.name} {step} {one}".encode() for one in range(self.dice.randint(1, 90))])
            except PfnError as error:
                if error.code is not Code.STORAGE_UNAVAILABLE:
                    raise
                self.lost += 1
            for _ in range(3):
                try:
                    self.signed.append(await self.log.sign())
                    break
                except PfnError as error:
                    if error.code is not Code.STORAGE_UNAVAILABLE:
                        raise


@pytest.fixture
def rows_url(request: pytest.FixtureRequest) -> str:
    """A PostgreSQL database that has little patience with sleepers."""
    name = f"pfn_writers_{random.randbytes(4).hex()}"
    template = request.getfixturevalue("migrated_postgres")
    url = make_url(create_database(request.getfixturevalue("postgres"), name, template))
    patience = f"-c idle_in_transaction_session_timeout={int(LOSES_S * 1000)}"
    return url.update_query_dict({"options": patience}).render_as_string(hide_password=False)


@pytest.fixture
async def rows(rows_url: str) -> AsyncIterator[Database]:
    database = Database(rows_url)
    yield database
    await database.close()


async def assert_one_tree(rows: Database, writers: list[Writer]) -> None:
    assert await writers[0].log.check() is None
    last = await writers[0].log.sign()
    marked = [found.head for writer in writers if (found := read_mark(writer.mark)) is not None]
    async with rows.read() as connection:
        leaves = await list_leaves(connection, 0, last.head.size)
    for writer in writers:
        # All of what was said to be kept, once, in its order; nothing of what was taken back.
        assert [leaf for leaf in leaves if leaf.startswith(f"{writer.name} ".encode())] == writer.kept
    shown = {kept.head for writer in writers for kept in writer.signed} | {last.head, *marked}
    heads = sorted(shown, key=lambda head: head.size)
    assert len({head.size for head in heads}) == len(heads), "two trees of one size were signed"
    for old, new in itertools.pairwise(heads):
        proof = await writers[0].log.prove_consistency(old.size, new.size)
        check_consistency(old.size, old.root, new.size, new.root, proof)
    # And each is over the leaves that are there, whatever the tiles say.
    for head in heads:
        assert Frontier().extend(map(leaf_hash, leaves[: head.size])).root == head.root


@pytest.mark.parametrize(
    "seed", [1, *(pytest.param(n, marks=[pytest.mark.slow, pytest.mark.grown]) for n in range(2, 14))]
)
async def test_writers_that_fall_asleep_never_fork_the_tree(rows_url: str, rows: Database, tmp_path: Path, seed: int):
    dice = random.Random(seed)
    writers = [Writer(name, rows_url, tmp_path, random.Random(dice.random())) for name in ("ann", "bob", "cid")]
    # One that never sleeps: it waits for the others, and is never refused.
    writers[2].dice.choice = lambda _: 0.0  # type: ignore[method-assign, assignment]
    await asyncio.gather(*(writer.live(6) for writer in writers))
    assert writers[2].lost == 0
    await assert_one_tree(rows, writers)
    for writer in writers:
        await writer.database.close()


async def test_a_sleeper_loses_the_log_and_its_commit_fails(rows_url: str, rows: Database, tmp_path: Path):
    dice = random.Random(0)
    sleeper, other = (Writer(name, rows_url, tmp_path, dice) for name in ("ann", "bob"))
    naps = iter([0.0, 3 * LOSES_S])
    sleeper.nap = lambda: next(naps, 0.0)  # type: ignore[method-assign]
    other.nap = lambda: 0.0  # type: ignore[method-assign]
    began = asyncio.create_task(sleeper.append([b"ann 0"]))
    await asyncio.sleep(LOSES_S / 4)
    await other.append([b"bob 0"])
    with pytest.raises(PfnError) as caught:
        await began
    assert (caught.value.code, caught.value.retry_after) == (Code.STORAGE_UNAVAILABLE, 2)
    # It does it again, after the other.
    sleeper.nap = lambda: 0.0  # type: ignore[method-assign]
    await sleeper.append([b"ann 0"])
    await assert_one_tree(rows, [sleeper, other])
    for writer in (sleeper, other):
        await writer.database.close()


async def test_another_root_of_a_size_is_refused(database: Database):
    first, other = (KeptHead(TreeHead(3, root * 32), "a note", 5) for root in (b"a", b"b"))
    async with database.write() as connection:
        await put_head(connection, first)
        await put_head(connection, first)
    with pytest.raises(SecurityError) as caught:
        await keep(database, other)
    assert caught.value.code is Code.LOG_FORK


async def keep(database: Database, head: KeptHead) -> None:
    async with database.write() as connection:
        await put_head(connection, head)


async def test_a_tree_that_changed_while_it_was_signed_is_not_signed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """As by a database that fails over to a copy which lacks the newest entries."""
    from tests.services.test_log import grow, set_back

    log = SleepyLog(database, StandingClock(), LOG, tmp_path / "mark")
    await grow(database, 5)
    old_sign = LogService._sign

    async def sign_late(self: LogService, head: TreeHead) -> KeptHead:
        await set_back(database, 3)
        return await old_sign(self, head)

    monkeypatch.setattr(LogService, "_sign", sign_late)
    with pytest.raises(PfnError) as caught:
        await log.sign()
    assert caught.value.code is Code.LOG_HALTED
    assert read_mark(tmp_path / "mark") is None
    monkeypatch.setattr(LogService, "_sign", old_sign)
    assert (await log.sign()).head.size == 3
    async with database.read() as connection:
        assert (await read_head(connection)).size == 3
