"""An older node's database is brought to the schema of today with all that is in it, however often that is begun."""

import random
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import (
    JSON,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    insert,
    make_url,
    select,
    text,
)
from tests.support.rows import create_database

import pfn.storage.migrate
from pfn.storage.database import create_sync_engine, sqlite_url
from pfn.storage.migrate import migrate, newest_schema

CONFIG = Config()
CONFIG.set_main_option("script_location", str(Path(pfn.storage.migrate.__file__).parent / "migrations"))
REVISIONS = [one.revision for one in reversed(list(ScriptDirectory.from_config(CONFIG).walk_revisions()))]

# Ends itself, as a power cut would, before the so-many-th statement.
KILLED = """
import os, signal, sys
from sqlalchemy import event
from sqlalchemy.engine import Engine
from pfn.storage.migrate import migrate

left = int(sys.argv[2])

@event.listens_for(Engine, "before_cursor_execute")
def count(*_):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

migrate(sys.argv[1])
print(int(sys.argv[2]) - left)
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def make_new(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Make databases without a schema, all of one kind, and give the URL of each."""

    def make() -> str:
        name = f"older_{random.randbytes(6).hex()}"
        if request.param == "sqlite":
            return sqlite_url(tmp_path / name)
        return create_database(request.getfixturevalue("postgres"), name)

    return make


def upgrade(url: str, revision: str) -> None:
    """Make the schema that an older version of the program made."""
    engine = create_sync_engine(make_url(url))
    with engine.begin() as connection:
        CONFIG.attributes["connection"] = connection
        command.upgrade(CONFIG, revision)
    engine.dispose()


def list_tables(connection: Connection) -> list[Table]:
    """Give the tables there are, but for what the database makes by itself to search by."""
    hidden = {"alembic_version"}
    if connection.dialect.name == "sqlite":
        listed = connection.execute(text("SELECT name FROM pragma_table_list WHERE type IN ('virtual', 'shadow')"))
        hidden |= {row[0] for row in listed}
    tables = MetaData()
    tables.reflect(connection, only=lambda name, _: name not in hidden)
    return tables.sorted_tables


def read(url: str) -> dict[str, list[dict[str, Any]]]:
    """Give every row of every table, whatever the schema."""
    engine = create_sync_engine(make_url(url))
    with engine.begin() as connection:
        found = {
            table.name: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in list_tables(connection)
        }
    engine.dispose()
    return found


def make_value(table: Table, column: Column[Any], number: int) -> Any:
    for key in column.foreign_keys:
        return make_value(key.column.table, key.column, number)
    for check in table.constraints:
        # `state IN ('a', …)`, and what PostgreSQL makes of it: `state::text = ANY (ARRAY['a'::…`
        if isinstance(check, CheckConstraint) and re.match(rf"\(*{column.name}\b", str(check.sqltext)):
            return [*str(check.sqltext).split("'"), 0][1]
    if isinstance(column.type, JSON):
        return {"action": f"kept {number}"}
    if isinstance(column.type, Boolean):
        return number % 2 == 0
    if isinstance(column.type, LargeBinary):
        return bytes([0, 255, number])
    if isinstance(column.type, Float):
        return number / 4
    if isinstance(column.type, Integer):
        return 10 + number
    return f"{column.name[:20]} {number}"


def live(url: str) -> None:
    """Put rows into every table that is empty."""
    engine = create_sync_engine(make_url(url))
    with engine.begin() as connection:
        for table in list_tables(connection):
            if connection.execute(select(table).limit(1)).first() is None:
                rows = [
                    {one.name: make_value(table, one, number) for one in table.columns if one.computed is None}
                    for number in range(3)
                ]
                connection.execute(insert(table), rows)
    engine.dispose()


def assert_kept(before: dict[str, list[dict[str, Any]]], after: dict[str, list[dict[str, Any]]]) -> None:
    """Each row is there still, with all that it said."""
    for name, rows in before.items():
        shared = [column for column in rows[0] if column in after[name][0]]
        assert sorted([str([row[one] for one in shared]) for row in rows]) == sorted(
            [str([row[one] for one in shared]) for row in after[name]]
        ), name


def test_a_node_of_the_first_days_keeps_all_it_has(make_new: Callable[[], str]) -> None:
    """Step by step, each version's tables filled as they come, up to today's."""
    url = make_new()
    upgrade(url, REVISIONS[0])
    live(url)
    for revision in REVISIONS[1:-1]:
        before = read(url)
        upgrade(url, revision)
        assert_kept(before, read(url))
        live(url)
    before = read(url)
    migrate(url)
    assert_kept(before, read(url))


@pytest.mark.slow
@pytest.mark.grown
def test_an_upgrade_that_is_killed_anywhere_is_begun_again(make_new: Callable[[], str]) -> None:
    url = make_new()
    upgrade(url, REVISIONS[0])
    live(url)
    before = read(url)
    statements = 4
    while True:
        command = [sys.executable, "-c", KILLED, url, str(statements)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            break
        assert done.returncode == -9, done.stderr
        # All of it or nothing: no node starts on half of an upgrade.
        assert read(url) == before
        statements *= 2
    assert statements > 30
    assert_kept(before, read(url))
    assert_newest(url)


@pytest.mark.slow
@pytest.mark.grown
def test_processes_that_start_together_upgrade_once(make_new: Callable[[], str]) -> None:
    url = make_new()
    upgrade(url, REVISIONS[0])
    live(url)
    before = read(url)
    command = [sys.executable, "-c", "import sys; from pfn.storage.migrate import migrate; migrate(sys.argv[1])", url]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    for process in started:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
    assert_kept(before, read(url))
    assert_newest(url)


def assert_newest(url: str) -> None:
    engine = create_sync_engine(make_url(url))
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == newest_schema()
    engine.dispose()
