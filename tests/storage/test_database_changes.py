"""The number that tells that somebody committed: what caches stand on."""

from pathlib import Path

from sqlalchemy import text

from pfn.storage.database import Database, sqlite_url


async def test_every_commit_of_anybody_is_another_number(tmp_path: Path) -> None:
    here, there = (Database(sqlite_url(tmp_path / "node.db")) for _ in range(2))
    try:
        async with here.write() as connection:
            await connection.execute(text("CREATE TABLE words (word TEXT)"))
        seen = [here.changes()]
        assert here.changes() == seen[0]
        for writer in (here, there, here):
            async with writer.write() as connection:
                await connection.execute(text("INSERT INTO words VALUES ('one')"))
                # Not committed: to everybody else nothing has happened.
                assert here.changes() == seen[-1]
            seen.append(here.changes())
            assert seen[-1] != seen[-2]
        async with here.read() as connection:
            await connection.execute(text("SELECT * FROM words"))
        assert here.changes() == seen[-1]
    finally:
        await here.close()
        await there.close()


async def test_where_it_cannot_be_told_it_is_not(tmp_path: Path) -> None:
    assert Database("postgresql+psycopg://nobody@127.0.0.1:1/none").changes() is None
    nowhere = Database(sqlite_url(tmp_path / "missing" / "node.db"))
    assert nowhere.changes() is None
