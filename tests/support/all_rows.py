"""All rows of a database as they are stored, to compare two databases of either engine by."""

from typing import Any

from sqlalchemy import JSON, Text, cast, select

from pfn.storage.row_copy import open_rows
from pfn.storage.schema import metadata


def read_all_rows(url: str, *but: str) -> dict[str, list[tuple[Any, ...]]]:
    """Give the rows of each table but these; JSON as its text."""
    found = {}
    with open_rows(url) as connection:
        for table in metadata.sorted_tables:
            if table.name not in but:
                columns = [cast(one, Text) if isinstance(one.type, JSON) else one for one in table.columns]
                rows = connection.execute(select(*columns)).all()
                # Two engines order texts by rules of their own.
                found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    return found
