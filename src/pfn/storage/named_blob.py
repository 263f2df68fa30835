"""Which bytes the rows speak of: those of releases, and those in quarantine."""

from collections.abc import AsyncIterator, Sequence

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import Blob
from pfn.storage.schema import blobs, quarantine

_AT_ONCE = 1000


async def count_named_blobs(connection: AsyncConnection) -> int:
    """Tell how many ``list_named_blobs`` gives."""
    count: int = (
        await connection.execute(select(func.count()).select_from(blobs).where(blobs.c.gone_at.is_(None)))
    ).scalar_one()
    return count


async def list_named_blobs(connection: AsyncConnection) -> AsyncIterator[Blob]:
    """Give the blobs of rows in the order of their SHA-256, but for those nobody keeps the bytes of any more."""
    table, after = blobs, ""
    columns = (table.c.sha256, table.c.sha1, table.c.sha384, table.c.size)
    while True:
        query = (
            select(*columns)
            .where(table.c.sha256 > after, table.c.gone_at.is_(None))
            .order_by(table.c.sha256)
            .limit(_AT_ONCE)
        )
        rows = (await connection.execute(query)).all()
        for row in rows:
            yield Blob(*row)
        if len(rows) < _AT_ONCE:
            return
        after = rows[-1].sha256


async def list_named_quarantine(connection: AsyncConnection) -> Sequence[str]:
    """Give the SHA-256 of the bytes that were refused and kept apart, in their order."""
    table = quarantine
    query = select(table.c.sha256).where(table.c.sha256 != "").distinct().order_by(table.c.sha256)
    return [row.sha256 for row in await connection.execute(query)]
