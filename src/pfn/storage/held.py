"""What the node holds and serves: the releases of sources that are offered, but for those that are blocked."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import Blob
from pfn.storage.schema import blobs, mirrored_plugins, sources
from pfn.storage.source import serves


async def list_held(
    connection: AsyncConnection, source_id: str | None = None
) -> Sequence[tuple[str, str, str, str, bool]]:
    """Give what is served, of one source or of all: source, plugin, version, SHA-256, and whether it is yanked."""
    table = mirrored_plugins
    query = (
        select(table.c.source_id, table.c.plugin_id, table.c.version, table.c.sha256, table.c.yanked_at.is_not(None))
        .join(sources, sources.c.id == table.c.source_id)
        .where(table.c.block_reason.is_(None), serves())
    )
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    return [(row[0], row[1], row[2], row[3], row[4]) for row in await connection.execute(query)]


async def is_retired(connection: AsyncConnection, sha256: str) -> bool:
    """Tell whether bytes are those of a release that would be served if it were not retired."""
    table = mirrored_plugins
    query = (
        select(table.c.id)
        .join(sources, sources.c.id == table.c.source_id)
        .where(table.c.sha256 == sha256, table.c.block_reason.is_(None), serves())
        .where(table.c.retired_at.is_not(None))
        .limit(1)
    )
    return (await connection.execute(query)).first() is not None


async def find_served_blob(connection: AsyncConnection, sha256: str) -> Blob | None:
    """Find the stored bytes of a release that is served, whichever it is."""
    columns = (blobs.c.sha256, blobs.c.sha1, blobs.c.sha384, blobs.c.size, blobs.c.corrupt_at.is_not(None))
    table = mirrored_plugins
    query = (
        select(*columns)
        .join(table, table.c.sha256 == blobs.c.sha256)
        .join(sources, sources.c.id == table.c.source_id)
        .where(blobs.c.sha256 == sha256, table.c.block_reason.is_(None), serves())
        .where(table.c.retired_at.is_(None))
        .limit(1)
    )
    row = (await connection.execute(query)).first()
    return None if row is None else Blob(*row)
