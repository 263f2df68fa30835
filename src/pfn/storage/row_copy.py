"""All rows of a node from one database into another, whichever of the two engines each is.

Both have the schema this version makes; the target has no rows. What is read is one state of the source. JSON goes over
as the text it is, so that no digest over it changes; growing keys go on behind the largest that was ever given, so that
no number is given twice. Words to search by are made by the target itself, as its rows come in.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Table,
    Text,
    bindparam,
    cast,
    create_engine,
    exists,
    func,
    insert,
    make_url,
    select,
    text,
)

from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import create_sync_engine, meet_failures, sqlite_url
from pfn.storage.migrate import migrate, newest_schema, read_schema_of
from pfn.storage.schema import metadata

# How many rows were copied, of how many.
Report = Callable[[int, int], None]

# Documents may be long: so many of them fit in memory.
_AT_ONCE = 200


@contextmanager
def open_rows(url: str) -> Iterator[Connection]:
    """Open a database to copy from: one state of it, nothing written. In SQLite nobody else writes meanwhile."""
    engine = create_sync_engine(make_url(url))
    try:
        with meet_failures(is_sqlite=engine.dialect.name == "sqlite"), engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            yield connection
    finally:
        engine.dispose()


@contextmanager
def open_target(url: str) -> Iterator[Connection]:
    """Open a database to copy to: all is there when the block ends, or nothing where it raises."""
    engine = create_sync_engine(make_url(url))
    try:
        with meet_failures(is_sqlite=engine.dialect.name == "sqlite"), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def require_schema(connection: Connection) -> str:
    """Give the schema of a database; raises PfnError (``wrong_state``) unless it is the one this version makes."""
    present, newest = read_schema_of(connection), newest_schema()
    if present != newest:
        raise PfnError(
            Code.WRONG_STATE,
            f"The database has schema {present}, and this version of pfn makes {newest}. Use the version that runs the "
            "node, or start this one once: it upgrades the database.",
        )
    return newest


def count_rows(connection: Connection) -> dict[str, int]:
    """Count the rows of every table."""
    return {
        table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
        for table in metadata.sorted_tables
    }


def has_rows(connection: Connection) -> bool:
    """Tell whether any table has a row."""
    return any(connection.execute(select(exists().select_from(table))).scalar_one() for table in metadata.sorted_tables)


def copy_rows(source: Connection, target: Connection, report: Report) -> dict[str, int]:
    """Copy every row within the target's transaction; give how many of each table."""
    counts = count_rows(source)
    total, done = sum(counts.values()), 0
    report(0, total)
    for table in metadata.sorted_tables:
        for rows in _read(source, table):
            _write(target, table, rows)
            done += len(rows)
            report(done, total)
        _carry_key(source, target, table)
    return counts


def snapshot_rows(url: str, path: Path, report: Report) -> None:
    """Write all rows as they are at one moment into a new SQLite file, while others go on writing.

    Raises PfnError (``wrong_state``) where the database has another schema than this version makes.
    """
    if make_url(url).get_backend_name() == "sqlite":
        _snapshot_file(url, path, report)
        return
    with open_rows(url) as source:
        require_schema(source)
        migrate(sqlite_url(path))
        with open_target(sqlite_url(path)) as target:
            copy_rows(source, target, report)


def _snapshot_file(url: str, path: Path, report: Report) -> None:
    """Copy SQLite's pages, all in one step: then no writer is held up, and none makes it begin again."""
    report(0, 1)
    source, target = (create_engine(make_url(one).set(drivername="sqlite+pysqlite")) for one in (url, sqlite_url(path)))
    try:
        with source.connect() as connection, target.connect() as other:
            require_schema(connection)
            pages, copied = connection.connection.driver_connection, other.connection.driver_connection
            assert pages is not None
            assert copied is not None
            with meet_failures(is_sqlite=True):
                pages.backup(copied)
    finally:
        source.dispose()
        target.dispose()
    report(1, 1)


def _read(source: Connection, table: Table) -> Iterator[list[dict[str, object]]]:
    columns: list[ColumnElement[Any]] = [
        cast(column, Text).label(_name(column)) if isinstance(column.type, JSON) else column for column in table.columns
    ]
    query = select(*columns).order_by(*table.primary_key.columns)
    result = source.execution_options(stream_results=True, yield_per=_AT_ONCE).execute(query)
    for rows in result.mappings().partitions(_AT_ONCE):
        yield [dict(row) for row in rows]


def _write(target: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    values = {}
    for column in table.columns:
        if isinstance(column.type, JSON):
            parameter = bindparam(_name(column), type_=Text)
            # SQLite has no type for it, and would make a number of it.
            values[column.name] = cast(parameter, JSON) if target.dialect.name == "postgresql" else parameter
    target.execute(insert(table).values(values) if values else insert(table), rows)


def _name(column: Column[Any]) -> str:
    """Name the parameter of a column; one named as the column would get the column's type."""
    return f"text_of_{column.name}" if isinstance(column.type, JSON) else column.name


def _carry_key(source: Connection, target: Connection, table: Table) -> None:
    """Have the target give the next growing key where the source would."""
    key = table.autoincrement_column
    if key is None or key.autoincrement is not True:
        return
    present = source.execute(select(func.max(key))).scalar_one() or 0
    largest = max(present, _largest_key(source, table.name, key.name))
    if target.dialect.name == "postgresql":
        sequence = func.pg_get_serial_sequence(table.name, key.name)
        if largest:
            target.execute(select(func.setval(sequence, largest)))
        return
    target.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    target.execute(text("INSERT INTO sqlite_sequence VALUES (:name, :seq)"), {"name": table.name, "seq": largest})


def _largest_key(source: Connection, table: str, key: str) -> int:
    if source.dialect.name == "postgresql":
        sequence = source.execute(select(func.pg_get_serial_sequence(table, key))).scalar_one()
        given = source.execute(text(f"SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM {sequence}"))  # noqa: S608  # the database's own word
        return int(given.scalar_one())
    found = source.execute(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table})
    return int(found.scalar_one_or_none() or 0)
