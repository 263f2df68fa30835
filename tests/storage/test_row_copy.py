"""All rows go over, whichever the engines: as they were, in one state, and with keys that go on where they were."""

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Integer,
    LargeBinary,
    Table,
    insert,
    make_url,
    null,
    text,
)
from tests.support.all_rows import read_all_rows
from tests.support.rows import create_database

from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import Database, create_sync_engine, sqlite_url
from pfn.storage.row_copy import snapshot_rows
from pfn.storage.row_move import move_rows, require_movable
from pfn.storage.schema import cursors, events, metadata

ROWS = 7


def quiet(_done: int, _total: int) -> None:
    return


def make_value(dice: random.Random, table: Table, column: Column[Any], number: int, made: dict[str, list[Any]]) -> Any:
    """Give a value that the column's type, its checks and its foreign keys allow."""
    for key in column.foreign_keys:
        return made[key.target_fullname][number % len(made[key.target_fullname])]
    if column.nullable and dice.random() < 0.3:
        return null()
    for check in table.constraints:
        if isinstance(check, CheckConstraint) and str(check.sqltext).startswith(f"{column.name} IN "):
            return dice.choice(str(check.sqltext).split("'")[1::2])
    if isinstance(column.type, JSON):
        return dice.choice([None, [], {"b": 1, "a": [True, None, "ü"]}, "text", 0, 1.5])
    if isinstance(column.type, Boolean):
        return dice.random() < 0.5
    if isinstance(column.type, LargeBinary):
        return bytes([0, 255, number]) + dice.randbytes(40)
    if isinstance(column.type, Float):
        return dice.random()
    if isinstance(column.type, Integer):
        return 10 + number
    length = getattr(column.type, "length", None) or 40
    return f"{number} größer ' \" \\ \n %s {column.name} \U0001f600"[:length]


def fill(url: str) -> None:
    """Put rows of every kind into every table."""
    dice = random.Random(1)
    made: dict[str, list[Any]] = {}
    engine = create_sync_engine(make_url(url))
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            for number in range(ROWS):
                row = {column.name: make_value(dice, table, column, number, made) for column in table.columns}
                connection.execute(insert(table).values(row))
                for name, value in row.items():
                    made.setdefault(f"{table.name}.{name}", []).append(value)
        # A key that was given, and is not there any more.
        connection.execute(insert(events).values(seq=900, type="t", timestamp=1, actor="a", details={}))
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT setval('events_seq_seq', 900)"))
        connection.execute(text("DELETE FROM events WHERE seq = 900"))
    engine.dispose()


def next_event(url: str) -> int:
    engine = create_sync_engine(make_url(url))
    with engine.begin() as connection:
        key = connection.execute(
            insert(events).values(type="t", timestamp=1, actor="a", details={})
        ).inserted_primary_key
    engine.dispose()
    assert key is not None
    return int(key[0])


@pytest.fixture
def make_kind(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Make a database of a kind, without rows, and give its URL."""

    def make(kind: str) -> str:
        name = f"kind_{random.randbytes(6).hex()}"
        if kind == "sqlite":
            return sqlite_url(Path(shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / name)))
        template = request.getfixturevalue("migrated_postgres")
        return create_database(request.getfixturevalue("postgres"), name, template)

    return make


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_row_of_every_table_goes_over_there_and_back(
    database_url: str, kind: str, make_kind: Callable[[str], str]
) -> None:
    fill(database_url)
    before = read_all_rows(database_url)
    assert all(len(rows) == ROWS for rows in before.values())
    there, back = make_kind(kind), make_kind("sqlite")
    for source, target in ((database_url, there), (there, back)):
        require_movable(source, target)
        assert move_rows(source, target, quiet) == ROWS * len(before)
        assert read_all_rows(target) == before
    # Nobody is told a second time of what had the same number.
    assert [next_event(url) for url in (there, back)] == [901, 901]


def refusal(source: str, target: str | None) -> str:
    with pytest.raises(PfnError) as caught:
        require_movable(source, target)
    assert caught.value.code is Code.WRONG_STATE
    return caught.value.detail


def test_only_an_empty_database_is_moved_into_but_a_finished_move_may_be_tried_again(
    make_database: Callable[[], str],
) -> None:
    source, target = make_database(), make_database()
    fill(source)
    require_movable(source, target)
    move_rows(source, target, quiet)
    before = read_all_rows(target)
    require_movable(source, target)
    assert move_rows(source, target, quiet) == ROWS * len(before)
    assert read_all_rows(target) == before
    next_event(target)
    assert "rows of events" in refusal(source, target)
    with pytest.raises(PfnError):
        move_rows(source, target, quiet)
    assert "already" in refusal(source, source)


def test_one_database_under_two_names_is_found_out(postgres: str, migrated_postgres: str) -> None:
    url = create_database(postgres, f"named_{random.randbytes(6).hex()}", migrated_postgres)
    assert "already" in refusal(url, url.replace("127.0.0.1", "localhost"))


def test_nobody_else_is_connected_to_what_is_left(postgres: str, migrated_postgres: str) -> None:
    url = create_database(postgres, f"busy_{random.randbytes(6).hex()}", migrated_postgres)
    engine = create_sync_engine(make_url(url))
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
        assert "1 other connections" in refusal(url, None)
    engine.dispose()
    require_movable(url, None)


def test_another_schema_is_not_copied(database_url: str, tmp_path: Path) -> None:
    engine = create_sync_engine(make_url(database_url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))
    engine.dispose()
    assert "has schema 0003" in refusal(database_url, None)
    assert "has schema None" in refusal(sqlite_url(tmp_path / "new.db"), None)


def test_what_is_killed_half_way_leaves_nothing(make_database: Callable[[], str]) -> None:
    source, target = make_database(), make_database()
    fill(source)
    require_movable(source, target)

    def kill(done: int, _total: int) -> None:
        if done > 100:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move_rows(source, target, kill)
    assert not any(read_all_rows(target).values())
    move_rows(source, target, quiet)
    assert read_all_rows(target) == read_all_rows(source)


async def test_a_snapshot_is_one_moment_while_others_go_on_writing(database: Database, tmp_path: Path) -> None:
    """Each transaction adds two rows: no snapshot has one of them."""

    async def write(number: int) -> None:
        async with database.write() as connection:
            await connection.execute(insert(cursors).values(name=f"first {number}", seq=number))
            await asyncio.sleep(0)
            await connection.execute(insert(cursors).values(name=f"second {number}", seq=number))

    going = True

    async def go_on() -> None:
        number = 0
        while going:
            await write(number)
            number += 1

    url = database.url.render_as_string(hide_password=False)
    writing = asyncio.create_task(go_on())
    for number in range(4):
        path = tmp_path / f"snapshot-{number}.db"
        await asyncio.to_thread(snapshot_rows, url, path, quiet)
        names = {row[0] for row in read_all_rows(sqlite_url(path))["cursors"]}
        assert {name.removeprefix("first ") for name in names if name.startswith("first")} == {
            name.removeprefix("second ") for name in names if name.startswith("second")
        }
    going = False
    await writing
    assert names
