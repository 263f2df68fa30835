"""The little that SQLite and PostgreSQL do not do alike, or that SQLAlchemy keeps in their dialects."""

import json
from collections.abc import Collection

from sqlalchemy import Table, and_, false, func, or_, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement


def insert_or(connection: AsyncConnection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Give an INSERT that can say ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def is_of_plugins(
    connection: AsyncConnection, table: Table, plugins: Collection[tuple[str, str]]
) -> ColumnElement[bool]:
    """Give the condition that a row is of one of these (source, slug); ``table`` has an index of them.

    To SQLite they go as one value, so that the statement is the same for any number of them.
    """
    columns = table.c.source_id, table.c.plugin_id
    if connection.dialect.name != "sqlite":
        return is_pair_of(*columns, plugins)
    each = func.json_each(json.dumps(list(plugins))).table_valued("value")
    named = select(func.json_extract(each.c.value, "$[0]"), func.json_extract(each.c.value, "$[1]"))
    return tuple_(*columns).in_(named)


def is_pair_of(
    first: ColumnElement[str], second: ColumnElement[str], pairs: Collection[tuple[str, str]]
) -> ColumnElement[bool]:
    """Give the condition that two columns hold one of these pairs; best the column first that has fewer values.

    SQLite uses no index for a list of row values: it would read the whole table.
    """
    seconds: dict[str, list[str]] = {}
    for one, other in pairs:
        seconds.setdefault(one, []).append(other)
    return or_(false(), *(and_(first == one, second.in_(others)) for one, others in seconds.items()))
