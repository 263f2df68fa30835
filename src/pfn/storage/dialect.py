"""The little that SQLite and PostgreSQL do not do alike, or that SQLAlchemy keeps in their dialects."""

from collections.abc import Collection

from sqlalchemy import Table, and_, false, or_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement


def insert_or(connection: AsyncConnection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Give an INSERT that can say ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


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
