"""Fixtures of every test: databases of both kinds, and a real node to talk to."""

import logging
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from tests.support.bucket import Bucket, run_rclone, run_seaweedfs
from tests.support.node import RunningNode, run_node
from tests.support.postgres import run_postgres
from tests.support.real_plugins import real_plugins
from tests.support.rows import ON_POSTGRES, create_database

from pfn.storage.database import Database, sqlite_url
from pfn.storage.migrate import migrate

__all__ = ["real_plugins"]


@pytest.fixture(autouse=True)
def own_logging() -> Iterator[None]:
    """Give each test the logging it began with: a command that ran inside a test sets up its own for the process."""
    root = logging.getLogger()
    before, handlers, level = structlog.get_config(), root.handlers[:], root.level
    yield
    structlog.configure(**before)
    root.handlers, root.level = handlers, level


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """A real PostgreSQL server's URL, one server per test process."""
    with run_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def seaweedfs() -> Iterator[Bucket]:
    """A real S3 service that does all that a node asks of it, one per test process; mark its tests ``grown``."""
    with run_seaweedfs() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def rclone() -> Iterator[Bucket]:
    """A small S3 service that ignores conditions and ranges."""
    with run_rclone() as bucket:
        yield bucket


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy: migrating once is enough for tests that are about something else."""
    path = tmp_path_factory.mktemp("template") / "node.db"
    migrate(sqlite_url(path))
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: str) -> str:
    """The name of a migrated database to copy."""
    migrate(create_database(postgres, "pfn_template"))
    return "pfn_template"


@pytest.fixture(params=["postgresql"] if ON_POSTGRES else ["sqlite", "postgresql"])
def make_database(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Make migrated databases, all of one kind, and give the URL of each."""
    if request.param == "sqlite":
        migrated: Path = request.getfixturevalue("migrated_sqlite")
        return lambda: sqlite_url(Path(shutil.copy(migrated, tmp_path / f"{secrets.token_hex(6)}.db")))
    template: str = request.getfixturevalue("migrated_postgres")
    server: str = request.getfixturevalue("postgres")
    return lambda: create_database(server, f"pfn_{secrets.token_hex(6)}", template)


@pytest.fixture
def database_url(make_database: Callable[[], str]) -> str:
    """The URL of a migrated database of each kind."""
    return make_database()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A migrated database of each kind."""
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def nodes(database_url: str) -> AsyncIterator[tuple[Database, Database]]:
    """Two databases that know nothing of each other but have the same rows, as two processes have."""
    nodes = Database(database_url), Database(database_url)
    yield nodes
    for node in nodes:
        await node.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """A real node in a process of its own, one per test module."""
    with run_node(tmp_path_factory.mktemp("node")) as running:
        yield running


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name sets alike in every process: their own order changes from one to the next."""
    if isinstance(val, set | frozenset):
        return "{" + ", ".join(sorted(map(str, val))) + "}"
    return None
