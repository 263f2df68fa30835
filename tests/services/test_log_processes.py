"""What several processes of one log keep for themselves: a mark each, and whose log the rows are."""

from pathlib import Path

import pytest
from tests.protocol.log.trees import LOG
from tests.services.conftest import StandingClock
from tests.services.test_log import grow, set_back
from tests.support.peers import make_key

from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.note import NoteSigner
from pfn.services.log import LogService, read_mark
from pfn.storage.database import Database


def open_log(database: Database, mark: Path, key: NoteSigner = LOG) -> LogService:
    return LogService(database, StandingClock(), key, mark)


def size_of(mark: Path) -> int | None:
    found = read_mark(mark)
    return None if found is None else found.size


async def test_a_process_marks_what_another_signed(nodes: tuple[Database, Database], tmp_path: Path):
    here, there = (open_log(rows, tmp_path / name) for rows, name in zip(nodes, ("here", "there"), strict=True))
    await grow(nodes[0], 5)
    signed = await here.sign()
    assert await there.sign() == signed
    assert (size_of(tmp_path / "here"), size_of(tmp_path / "there")) == (5, 5)


async def test_a_new_process_takes_up_the_newest_signed_head(nodes: tuple[Database, Database], tmp_path: Path):
    here, there = (open_log(rows, tmp_path / name) for rows, name in zip(nodes, ("here", "there"), strict=True))
    await grow(nodes[0], 5)
    await here.sign()
    assert await there.check() is None
    assert size_of(tmp_path / "there") == 5
    # So it notices by itself, as does whoever had seen it before; and it is halted for all.
    await set_back(nodes[0], 3)
    assert "set back" in str(await open_log(nodes[1], tmp_path / "there").check())
    assert "set back" in str(await here.halted())


async def test_rows_are_of_the_first_log_that_claims_them(nodes: tuple[Database, Database], tmp_path: Path):
    mine = open_log(nodes[0], tmp_path / "mine")
    other = open_log(nodes[1], tmp_path / "other", NoteSigner(LOG.name, make_key(77)))
    for _ in range(2):
        await mine.claim()
        with pytest.raises(PfnError) as caught:
            await other.claim()
        assert caught.value.code is Code.CONFIG_INVALID
        assert "same keys" in caught.value.detail
    assert await mine.halted() is None


async def test_rows_from_before_there_were_claims_are_whose_signature_they_bear(
    nodes: tuple[Database, Database], tmp_path: Path
):
    mine = open_log(nodes[0], tmp_path / "mine")
    other = open_log(nodes[1], tmp_path / "other", NoteSigner(LOG.name, make_key(77)))
    await grow(nodes[0], 5)
    await mine.sign()
    with pytest.raises(PfnError):
        await other.claim()
    await mine.claim()
