"""Fixtures of every test: databases of both kinds, and a real node to talk to."""

import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text
from tests.support.node import RunningNode, run_node
from tests.support.postgres import run_postgres
from tests.support.real_plugins import real_plugins

from pfn.storage.database import Database, sqlite_url
from pfn.storage.migrate import migrate

__all__ = ["real_plugins"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A real PostgreSQL server's URL, one server per test process."""
    with run_postgres() as url:
        yield url


@pytest.fixture
def postgres_url(postgres: str) -> str:
    """The URL of an empty database."""
    name = f"pfn_{secrets.token_hex(6)}"
    engine = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return make_url(postgres).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a migrated database of each kind."""
    url: str = (
        sqlite_url(tmp_path / "node.db") if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    )
    migrate(url)
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of each kind."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A real node in a process of its own, one per test module."""
    with run_node(tmp_path_factory.mktemp("node")) as running:
        yield running
