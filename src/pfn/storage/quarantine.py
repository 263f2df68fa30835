"""Rows of ``quarantine``."""

from collections.abc import Mapping, Sequence

from sqlalchemy import RowMapping, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.quarantine import Quarantined
from pfn.domain.zip_verdict import RULES
from pfn.storage.dialect import insert_or, is_pair_of
from pfn.storage.schema import quarantine as table


def _read(row: RowMapping) -> Quarantined:
    return Quarantined(**{name: value for name, value in row.items() if name != "rules"})


async def put_quarantined(connection: AsyncConnection, item: Quarantined) -> None:
    """Record a refused release, in place of an earlier record of the same bytes."""
    values = {column.name: getattr(item, column.name) for column in table.columns if column.name not in {"id", "rules"}}
    values["rules"] = RULES
    key = ("source_id", "plugin_id", "version", "sha256")
    await connection.execute(
        insert_or(connection, table)
        .values(values)
        .on_conflict_do_update(index_elements=key, set_={k: v for k, v in values.items() if k not in key})
    )


async def list_quarantined(
    connection: AsyncConnection,
    *,
    source_id: str | None = None,
    code: str | None = None,
    limit: int = 200,
    offset: int = 0,
) -> Sequence[Quarantined]:
    """Give what is in quarantine, newest first: of one source, or refused for one reason, where these are given."""
    query = select(table).order_by(table.c.quarantined_at.desc(), table.c.id.desc()).limit(limit).offset(offset)
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    if code is not None:
        query = query.where(table.c.code == code)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def count_codes(connection: AsyncConnection, *, source_id: str | None = None) -> Mapping[str, int]:
    """Count what is in quarantine by the reason, the most frequent first."""
    number = func.count()
    query = select(table.c.code, number).group_by(table.c.code).order_by(number.desc(), table.c.code)
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    return {row[0]: row[1] for row in await connection.execute(query)}


async def count_quarantined(connection: AsyncConnection) -> int:
    """Count what is in quarantine."""
    count: int = (await connection.execute(select(func.count()).select_from(table))).scalar_one()
    return count


async def get_quarantined(connection: AsyncConnection, item_id: int) -> Quarantined | None:
    """Find one item."""
    row = (await connection.execute(select(table).where(table.c.id == item_id))).mappings().first()
    return None if row is None else _read(row)


async def drop_quarantined(connection: AsyncConnection, item: Quarantined) -> bool:
    """Delete an item; tell whether nothing else in quarantine has its bytes."""
    await connection.execute(delete(table).where(table.c.id == item.id))
    left = select(func.count()).select_from(table).where(table.c.sha256 == item.sha256)
    return not (await connection.execute(left)).scalar_one()


async def clear_quarantined(connection: AsyncConnection, source_id: str, keys: Sequence[tuple[str, str]]) -> None:
    """Delete what is held of releases of a source, each (slug, version), that came through after all."""
    gone = (table.c.source_id == source_id) & is_pair_of(
        table.c.version, table.c.plugin_id, [(version, slug) for slug, version in keys]
    )
    await connection.execute(delete(table).where(gone))
