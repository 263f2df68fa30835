"""Migrations make exactly the schema the code knows, on both engines, and refuse what they do not know."""

from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, make_url, text

from pfn.protocol.errors import Code, PfnError
from pfn.storage.database import create_sync_engine, sqlite_url
from pfn.storage.migrate import migrate
from pfn.storage.schema import metadata

SEED_COLUMNS = {
    "sources": {
        *("id", "instance_url", "username", "public_key", "status", "trust_score", "created_at", "last_sync"),
        *("asset_domain", "asset_naming_scheme"),
    },
    "source_verifications": {
        *("id", "source_id", "verifier", "verification_type", "result", "details", "verified_at"),
    },
    "version_updates": {"id", "plugin_id", "source_id", "old_version", "new_version", "update_time", "notified"},
    "mirrored_plugins": {
        *("id", "plugin_id", "source_id", "name", "version", "description", "local_path", "signature", "mirror_date"),
    },
    "subscriptions": {"id", "source_id", "subscriber", "filters", "created_at"},
    "sync_failures": {"id", "source_id", "retry_count", "next_retry"},
}


# What one engine alone has, which no statement built of the schema may name: only storage/search.py asks it.
ONE_ENGINES = {"search_words", "ix_plugins_search_words"}


def compare(connection: Connection) -> list[Any]:
    """Give how a database's schema differs from the one the code knows."""

    def known(name: str | None, _type: str, _parents: Any) -> bool:
        return name not in ONE_ENGINES and not str(name).startswith("plugin_word")

    shown = {"include_name": known}
    return list(compare_metadata(MigrationContext.configure(connection, opts=shown), metadata))


def test_migrations_make_the_schema_the_code_knows(database_url: str) -> None:
    engine = create_sync_engine(make_url(database_url))
    with engine.connect() as connection:
        assert compare(connection) == []
    engine.dispose()


@pytest.mark.parametrize("table", sorted(SEED_COLUMNS))
def test_the_seeds_columns_are_all_there(database_url: str, table: str) -> None:
    engine = create_sync_engine(make_url(database_url))
    columns = {column["name"] for column in inspect(engine).get_columns(table)}
    engine.dispose()
    assert columns >= SEED_COLUMNS[table]


def test_the_seeds_uniqueness_is_enforced(database_url: str) -> None:
    engine = create_sync_engine(make_url(database_url))
    found = {
        table: {tuple(sorted(one["column_names"])) for one in inspect(engine).get_unique_constraints(table)}
        for table in ("sources", "mirrored_plugins")
    }
    engine.dispose()
    assert ("instance_url", "username") in found["sources"]
    assert ("plugin_id", "source_id", "version") in found["mirrored_plugins"]


def test_migrating_twice_changes_nothing(database_url: str) -> None:
    migrate(database_url)
    engine = create_sync_engine(make_url(database_url))
    with engine.connect() as connection:
        assert compare(connection) == []
    engine.dispose()


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "node.db")
    migrate(url)
    engine = create_sync_engine(make_url(url))
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(PfnError) as caught:
        migrate(url)
    assert caught.value.code is Code.SCHEMA_NEWER
    with engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one() == "9999"
    engine.dispose()
