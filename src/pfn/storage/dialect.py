"""The little that SQLite and PostgreSQL spell alike but SQLAlchemy keeps in their dialects."""

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


def insert_or(connection: AsyncConnection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Give an INSERT that can say ON CONFLICT."""
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)
