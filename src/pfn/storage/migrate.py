"""Bring a database to the schema this version needs: forward only, and safe to start twice.

Each migration is one transaction. A database made by a newer version is refused with a sentence, never touched.
"""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import create_sync_engine, meet_failures

# Any constant will do that no other advisory lock has; processes that start together migrate one after the other.
_MIGRATION_LOCK = 7_311_993


def migrate(url: str) -> None:
    """Upgrade the database at ``url`` to the newest schema.

    Raises PfnError: ``schema_newer`` where a newer version of the program made it, ``storage_unavailable``.
    """
    engine = create_sync_engine(make_url(url))
    try:
        with meet_failures(is_sqlite=engine.dialect.name == "sqlite"), engine.begin() as connection:
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
            _upgrade(connection)
    finally:
        engine.dispose()


def newest_schema() -> str:
    """Give the schema this version of the program needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


async def read_schema(connection: AsyncConnection) -> str | None:
    """Give the schema a database has."""
    return await connection.run_sync(lambda plain: MigrationContext.configure(plain).get_current_revision())


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    present = MigrationContext.configure(connection).get_current_revision()
    if present == scripts.get_current_head():
        return
    try:
        scripts.get_revision(present or "base")
    except CommandError as error:
        raise PfnError(
            Code.SCHEMA_NEWER,
            f"The database has schema {present}, which this version of pfn does not know. "
            "Start the newer version that made it, or restore a backup from before the upgrade.",
        ) from error
    command.upgrade(config, "head")


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
