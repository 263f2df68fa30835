"""Looking the whole log over: an honest one holds, and whatever is changed in it is found and named."""

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.sql.dml import UpdateBase
from tests.protocol.log.trees import LOG
from tests.services.conftest import StandingClock
from tests.support.records import ANN, add_sources, make_release, offer

from pfn.domain.release import Release
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.entry import YankLeaf, write_leaf
from pfn.services.leaf import append
from pfn.services.log import LogService, read_mark
from pfn.services.log_check import LogCheck, check_log
from pfn.services.release_log import Entry, log_releases
from pfn.storage.database import Database
from pfn.storage.schema import log_heads, log_leaves, log_tiles, mirrored_plugins

SIZE = 300
RELEASES = [make_release("hello", version, ANN) for version in ("1.0", "1.1")]


class Looked:
    """A log of 300 entries, two of them about releases, signed at three sizes."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.mark = folder / "log.mark"
        self.log = LogService(database, StandingClock(), LOG, self.mark)
        self.seen: list[tuple[int, int]] = []

    async def begin(self) -> None:
        async with self.database.write() as connection:
            await add_sources(connection, ANN)
            await offer(connection, *RELEASES)
        await self.log.sign()
        await self.append_releases(RELEASES)
        await self.log.sign()
        async with self.database.write() as connection:
            leaves = [YankLeaf(at=n, source=ANN, slug="x", version=str(n), catalog="0" * 64) for n in range(SIZE - 2)]
            await append(connection, leaves, 5)
        await self.log.sign()

    async def append_releases(self, releases: list[Release]) -> None:
        async with self.database.write() as connection:
            await log_releases(connection, ANN, [Entry(one, (), None) for one in releases], 5)

    async def check(self) -> LogCheck:
        self.seen.clear()
        return await check_log(
            self.database, LOG.verifier_key, read_mark(self.mark), lambda done, size: self.seen.append((done, size))
        )

    async def change(self, *statements: UpdateBase) -> None:
        async with self.database.write() as connection:
            for statement in statements:
                await connection.execute(statement)


@pytest.fixture
async def looked(database: Database, tmp_path: Path) -> Looked:
    looked = Looked(database, tmp_path)
    await looked.begin()
    return looked


async def test_an_honest_log_holds(looked: Looked) -> None:
    assert await looked.check() == LogCheck(SIZE, 3, 2)
    assert looked.seen[0] == (0, SIZE)
    assert looked.seen[-1] == (SIZE, SIZE)
    # What nobody was shown yet is no fault.
    await looked.append_releases([])
    async with looked.database.write() as connection:
        await append(connection, [YankLeaf(at=1, source=ANN, slug="y", version="1", catalog="0" * 64)], 5)
    assert (await looked.check()).size == SIZE + 1


async def test_an_empty_one_holds_too(database: Database, tmp_path: Path) -> None:
    looked = Looked(database, tmp_path)
    assert await looked.check() == LogCheck(0, 0, 0)


OTHER = write_leaf(YankLeaf(at=7, source=ANN, slug="other", version="7", catalog="0" * 64))
L, T, H, M = log_leaves, log_tiles, log_heads, mirrored_plugins


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (
            lambda: [update(L).where(L.c.idx == 9).values(leaf=OTHER, plugin_id="other", version="7")],
            *("log_consistency", "make"),
        ),
        (lambda: [update(L).where(L.c.idx == 9).values(leaf=OTHER)], "leaf_mismatch", "Entry 9"),
        (lambda: [update(L).where(L.c.idx == 9).values(leaf=b"nonsense")], "leaf_mismatch", "Entry 9"),
        (lambda: [update(L).where(L.c.idx == 9).values(kind="catalog")], "leaf_mismatch", "Entry 9"),
        (lambda: [update(L).where(L.c.idx == 9).values(source_id="bob@two.example")], "leaf_mismatch", "Entry 9"),
        (lambda: [delete(L).where(L.c.idx == 9)], "log_consistency", "missing"),
        (lambda: [delete(L).where(L.c.idx == SIZE - 1)], "log_rollback", "signed"),
        (
            lambda: [update(T).where(T.c.level == 0, T.c.number == 0).values(hashes=b"\0" * 8192)],
            "log_consistency",
            "tile/0/000",
        ),
        (
            lambda: [update(T).where(T.c.level == 0, T.c.number == 1).values(hashes=b"\0" * 44 * 32)],
            "log_consistency",
            "tile/0/001",
        ),
        (lambda: [update(T).where(T.c.level == 1).values(hashes=b"\0" * 32)], "log_consistency", "tile/1/000"),
        (lambda: [delete(T).where(T.c.level == 1)], "log_consistency", "tile/1/000"),
        (lambda: [insert(T).values(level=3, number=0, hashes=b"\0" * 32)], "log_consistency", "other tiles"),
        (lambda: [update(H).where(H.c.size == 2).values(root=b"\0" * 32)], "log_signature", "2 entries"),
        (lambda: [update(H).where(H.c.size == 2).values(note="nonsense")], "log_signature", "2 entries"),
        (
            lambda: [delete(H).where(H.c.size == 2), update(H).where(H.c.size == 0).values(size=2)],
            "log_signature",
            "2 entries",
        ),
        (lambda: [update(M).where(M.c.version == "1.0").values(log_index=None)], "leaf_mismatch", "hello 1.0"),
        (lambda: [update(M).where(M.c.version == "1.0").values(log_index=1)], "leaf_mismatch", "hello 1.0"),
        (lambda: [update(M).where(M.c.version == "1.0").values(log_index=5)], "leaf_mismatch", "hello 1.0"),
        (lambda: [update(M).where(M.c.version == "1.0").values(log_index=SIZE)], "leaf_mismatch", "hello 1.0"),
    ],
)
async def test_whatever_is_changed_is_found(
    looked: Looked, change: Callable[[], list[UpdateBase]], code: str, said: str
) -> None:
    await looked.change(*change())
    with pytest.raises(PfnError) as caught:
        await looked.check()
    assert caught.value.code.slug == code
    assert said in caught.value.detail


async def test_a_log_behind_its_mark_is_found_though_its_rows_agree(looked: Looked) -> None:
    marked = looked.mark.read_bytes()
    async with looked.database.write() as connection:
        await append(connection, [YankLeaf(at=1, source=ANN, slug="y", version="1", catalog="0" * 64)], 5)
    await looked.log.sign()
    ahead = looked.mark.read_bytes()
    looked.mark.write_bytes(marked)
    assert (await looked.check()).size == SIZE + 1
    await looked.change(
        delete(L).where(L.c.idx == SIZE),
        delete(H).where(H.c.size == SIZE + 1),
    )
    looked.mark.write_bytes(ahead)
    with pytest.raises(PfnError) as caught:
        await looked.check()
    assert caught.value.code is Code.LOG_ROLLBACK
