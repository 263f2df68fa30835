"""What a download needs of a release's rows, in one narrow question."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.download import Download
from pfn.domain.release import Blob, SignatureLevel
from pfn.storage.schema import blobs, mirrored_plugins, plugins, sources
from pfn.storage.source import serves


async def find_download(
    connection: AsyncConnection, source_id: str, slug: str, version: str | None = None
) -> Download | None:
    """Find a release that may be sent, without a version the newest; None where it is not there or not served."""
    table = mirrored_plugins
    columns = (
        table.c.version,
        table.c.level,
        table.c.signature,
        table.c.yank_reason,
        table.c.mirror_date,
        blobs.c.sha256,
        blobs.c.sha1,
        blobs.c.sha384,
        blobs.c.size,
        blobs.c.corrupt_at,
    )
    query = (
        select(*columns)
        .join(blobs, blobs.c.sha256 == table.c.sha256)
        .join(sources, sources.c.id == table.c.source_id)
        .where(table.c.source_id == source_id, table.c.plugin_id == slug, table.c.block_reason.is_(None))
        .where(table.c.retired_at.is_(None))
        .where(serves())
    )
    if version is None:
        newest = select(plugins.c.newest_version).where(plugins.c.source_id == source_id, plugins.c.plugin_id == slug)
        query = query.where(table.c.version == newest.scalar_subquery())
    else:
        query = query.where(table.c.version == version)
    row = (await connection.execute(query)).first()
    if row is None:
        return None
    level = SignatureLevel(row.level)
    return Download(
        source_id=source_id,
        slug=slug,
        version=row.version,
        blob=Blob(row.sha256, row.sha1, row.sha384, row.size, row.corrupt_at is not None),
        level=level,
        signature=row.signature if level is SignatureLevel.ARTIFACT else None,
        yank_reason=row.yank_reason,
        mirror_date=row.mirror_date,
    )
