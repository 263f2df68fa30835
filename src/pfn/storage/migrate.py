"""Bring a database to the schema this version needs: forward only, and safe to start twice.

Each migration is one transaction. A database made by a newer version is refused with a sentence, never touched. The
tool that migrates is loaded where there is something to do: it takes 10 MB of a process that has it for good.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import create_sync_engine, meet_failures

# Any constant will do that no other advisory lock has; processes that start together migrate one after the other.
_MIGRATION_LOCK = 7_311_993
_MIGRATIONS = Path(__file__).parent / "migrations"


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
    """Give the schema this version of the program needs: the number that its last migration's file begins with."""
    return max(path.name.partition("_")[0] for path in _MIGRATIONS.glob("versions/[0-9]*.py"))


async def read_schema(connection: AsyncConnection) -> str | None:
    """Give the schema a database has."""
    return await connection.run_sync(read_schema_of)


def read_schema_of(connection: Connection) -> str | None:
    """Give the schema a database has, without an event loop."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    present: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return present


def _upgrade(connection: Connection) -> None:
    present = read_schema_of(connection)
    if present == newest_schema():
        return
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from alembic.util.exc import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        ScriptDirectory.from_config(config).get_revision(present or "base")
    except CommandError as error:
        raise PfnError(
            Code.SCHEMA_NEWER,
            f"The database has schema {present}, which this version of pfn does not know. "
            "Start the newer version that made it, or restore a backup from before the upgrade.",
        ) from error
    command.upgrade(config, "head")
