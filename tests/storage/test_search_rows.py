"""The narrow rows that searches read on SQLite say what ``plugins`` and ``slugs`` say, whatever happened to those."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Connection, Engine, Executable, delete, insert, make_url, select, text, update
from sqlalchemy.dialects import sqlite
from tests.support.records import ANN, BOB

import pfn.storage.migrate
from pfn.storage.database import create_sync_engine, sqlite_url
from pfn.storage.migrate import migrate
from pfn.storage.schema import plugins, slugs, sources

KEYS = ("source_id", "plugin_id")
TOLD = (*KEYS, "kind", "name", "author", "level", "updated_at")
WORDS = ("alpha", "beta", "gamma")

source_ids = st.sampled_from([ANN, BOB])
names = st.sampled_from(["one", "two"])
# Text of one word, so that what is found by each is known.
fields = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["plugin", "theme"]),
        "name": st.sampled_from(["One", "Zoë"]),
        "author": st.sampled_from([None, "Ann"]),
        "level": st.sampled_from(["none", "artifact"]),
        "updated_at": st.integers(1, 2**40),
        "search_text": st.sampled_from(WORDS),
    }
)
changes = st.one_of(
    st.tuples(st.just("point"), source_ids, names, fields),
    st.tuples(st.just("move"), source_ids, names, source_ids, names),
    st.tuples(st.just("drop"), source_ids, names),
    st.tuples(st.just("purge"), source_ids),
    st.tuples(st.just("claim"), source_ids, names, st.integers(1, 9)),
    st.tuples(st.just("pin"), source_ids, names, st.integers(1, 9)),
    st.tuples(st.just("rename"), names, names),
    st.tuples(st.just("free"), names),
)


def make_source_row(source_id: str) -> Executable:
    username, host = source_id.split("@")
    names = {"id": source_id, "username": username, "instance_url": f"https://{host}"}
    return insert(sources).values(public_key="key", created_at=1, **names)


def upgrade_to(connection: Connection, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(pfn.storage.migrate.__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    url = sqlite_url(Path(tmp_path_factory.mktemp("search")) / "node.db")
    migrate(url)
    made = create_sync_engine(make_url(url))
    with made.begin() as connection:
        for source_id in (ANN, BOB):
            connection.execute(make_source_row(source_id))
    yield made
    made.dispose()


def is_plugin(source_id: object, plugin_id: object) -> ColumnElement[bool]:
    return (plugins.c.source_id == source_id) & (plugins.c.plugin_id == plugin_id)


def make_statement(action: str, *given: Any) -> Executable:
    """Give one of the things that happen to the two tables."""
    match action, given:
        case "point", (source_id, plugin_id, told):
            row = sqlite.insert(plugins).values(source_id=source_id, plugin_id=plugin_id, newest_version="1", **told)
            return row.on_conflict_do_update(index_elements=KEYS, set_=told)
        case "move", (source_id, plugin_id, *to):
            moved = update(plugins).prefix_with("OR IGNORE").where(is_plugin(source_id, plugin_id))
            return moved.values(dict(zip(KEYS, to, strict=True)))
        case "drop", (source_id, plugin_id):
            return delete(plugins).where(is_plugin(source_id, plugin_id))
        case "purge", (source_id,):
            return delete(plugins).where(plugins.c.source_id == source_id)
        case "claim" | "pin", (source_id, slug, since):
            held = sqlite.insert(slugs).values(slug=slug, source_id=source_id, since=since, decided_by="node")
            if action == "claim":
                return held.on_conflict_do_nothing()
            return held.on_conflict_do_update(index_elements=["slug"], set_={"source_id": source_id, "since": since})
        case "rename", (slug, to):
            return update(slugs).prefix_with("OR IGNORE").where(slugs.c.slug == slug).values(slug=to)
        case _, (slug,):
            return delete(slugs).where(slugs.c.slug == slug)
    raise AssertionError(action)


def read_joined(connection: Connection) -> list[tuple[Any, ...]]:
    holds = (slugs.c.slug == plugins.c.plugin_id) & (slugs.c.source_id == plugins.c.source_id)
    joined = select(*(plugins.c[name] for name in TOLD), slugs.c.since).outerjoin_from(plugins, slugs, holds)
    return sorted((tuple(row) for row in connection.execute(joined)), key=str)


def read_narrow(connection: Connection) -> list[tuple[Any, ...]]:
    rows = connection.execute(text(f"SELECT {', '.join(TOLD)}, since FROM plugin_word_rows"))
    return sorted((tuple(row) for row in rows), key=str)


@given(st.lists(changes, min_size=10, max_size=30))
def test_narrow_rows_are_what_a_join_says(engine: Engine, happened: list[tuple[Any, ...]]) -> None:
    with engine.connect() as connection:
        for action, *given in happened:
            connection.execute(make_statement(action, *given))
        assert read_narrow(connection) == read_joined(connection)
        found = text(
            "SELECT source_id, plugin_id FROM plugin_words JOIN plugin_word_rows ON id = plugin_words.rowid "
            "WHERE plugin_words MATCH :word"
        )
        for word in WORDS:
            has = select(plugins.c.source_id, plugins.c.plugin_id).where(plugins.c.search_text == word)
            assert sorted(map(tuple, connection.execute(found, {"word": word}))) == sorted(
                map(tuple, connection.execute(has))
            )
        connection.rollback()


def test_an_older_nodes_rows_are_made_narrow(tmp_path: Path) -> None:
    url = sqlite_url(tmp_path / "node.db")
    older = create_sync_engine(make_url(url))
    with older.begin() as connection:
        upgrade_to(connection, "0013")
        for source_id in (ANN, BOB):
            connection.execute(make_source_row(source_id))
        for number, (source_id, slug) in enumerate(product((ANN, BOB), ("one", "two"))):
            told = {"name": slug, "updated_at": number, "search_text": WORDS[number % 3], "author": None}
            connection.execute(make_statement("point", source_id, slug, told))
        connection.execute(make_statement("drop", ANN, "one"))
        connection.execute(make_statement("claim", BOB, "one", 5))
        connection.execute(make_statement("claim", ANN, "two", 6))
        before = connection.execute(text("SELECT id, source_id, plugin_id FROM plugin_word_rows")).all()
    older.dispose()
    migrate(url)
    newer = create_sync_engine(make_url(url))
    with newer.connect() as connection:
        assert connection.execute(text("SELECT id, source_id, plugin_id FROM plugin_word_rows")).all() == before
        assert read_narrow(connection) == read_joined(connection)
        assert [row[-1] for row in read_narrow(connection)] == [6, 5, None]
    newer.dispose()
