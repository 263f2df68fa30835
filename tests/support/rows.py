"""Where the rows of a test's node are: in its folder, or, with PFN_TEST_DATABASE=postgres, on a real PostgreSQL.

There each node's folder has a database of its own, copied from a migrated one, on one server for each test process.
"""

import atexit
import hashlib
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, make_url, text
from tests.support.postgres import run_postgres

from pfn.storage.database import sqlite_url
from pfn.storage.migrate import migrate

ON_POSTGRES = os.environ.get("PFN_TEST_DATABASE") == "postgres"
_TEMPLATE = "pfn_node_template"


class Found:
    """What was found, or how much was changed."""

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self.rowcount: int = cursor.rowcount

    def fetchall(self) -> list[Any]:
        return list(self._cursor.fetchall()) if self._cursor.description else []

    def fetchone(self) -> Any:
        return self._cursor.fetchone()

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())


class Rows:
    """Rows by another door than the node's; in what is asked a ``?`` stands for a value."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def execute(self, query: str, values: Sequence[object] = ()) -> Found:
        if ON_POSTGRES:
            query = query.replace("%", "%%").replace("?", "%s")
        return Found(self._connection.execute(query, list(values)))


def create_database(server: str, name: str, template: str = "template1") -> str:
    """Make a database on a PostgreSQL server and give its URL."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template}"))
    engine.dispose()
    return make_url(server).set(database=name).render_as_string(hide_password=False)


@cache
def _server() -> str:
    """Start this process's server, which ends with it, and give its URL."""
    stack = ExitStack()
    url = stack.enter_context(run_postgres())
    atexit.register(stack.close)
    migrate(create_database(url, _TEMPLATE))
    return url


@cache
def database_for(data: Path) -> str:
    """Give the URL of the rows of the node in a folder, made when it is first asked for."""
    if not ON_POSTGRES:
        return sqlite_url(data / "node.db")
    name = "node_" + hashlib.sha256(str(data.absolute()).encode()).hexdigest()[:16]
    return create_database(_server(), name, _TEMPLATE)


def own_rows(data: Path) -> dict[str, Any]:
    """Give the settings that lead a node to its rows."""
    return {"database_url": database_for(data)} if ON_POSTGRES else {}


def place_rows(data: Path) -> None:
    """Write these settings into a folder, for every process that is started on it."""
    if ON_POSTGRES and not (data / "pfn.toml").exists():
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        (data / "pfn.toml").write_text(f'database_url = "{database_for(data)}"\n')


@contextmanager
def open_rows(data: Path) -> Iterator[Rows]:
    """Open the rows of a node; what is changed holds when the block ends, and not where it raises."""
    if not ON_POSTGRES:
        with closing(sqlite3.connect(data / "node.db", timeout=30)) as rows, rows:
            yield Rows(rows)
        return
    import psycopg

    url = make_url(database_for(data)).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        yield Rows(connection)
