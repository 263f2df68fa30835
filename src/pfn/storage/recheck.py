"""The second look at stored bytes: when each blob was looked at, whether it matches, and what came of it by day."""

from collections.abc import Collection, Sequence

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.release import Release
from pfn.storage.dialect import insert_or
from pfn.storage.release import list_releases
from pfn.storage.schema import blobs, mirrored_plugins, rechecks


async def list_unchecked(
    connection: AsyncConnection, source_id: str, *, before: int, limit: int
) -> Sequence[tuple[Release, ...]]:
    """Give up to ``limit`` blobs of a source not looked at since ``before`` (Unix seconds), each as its releases.

    Those known to be damaged come first, then the longest unchecked.
    """
    table = mirrored_plugins
    query = (
        select(blobs.c.sha256)
        .where(
            blobs.c.sha256.in_(select(table.c.sha256).where(table.c.source_id == source_id)),
            or_(blobs.c.checked_at.is_(None), blobs.c.checked_at < before),
        )
        .order_by(blobs.c.corrupt_at.is_(None), blobs.c.checked_at.is_not(None), blobs.c.checked_at, blobs.c.sha256)
        .limit(limit)
    )
    digests = list((await connection.execute(query)).scalars())
    named = select(table.c.plugin_id).distinct().where(table.c.source_id == source_id, table.c.sha256.in_(digests))
    slugs = list((await connection.execute(named)).scalars())
    found: dict[str, list[Release]] = {digest: [] for digest in digests}
    for releases in (await list_releases(connection, [(source_id, slug) for slug in slugs])).values():
        for release in releases:
            if release.blob.sha256 in found:
                found[release.blob.sha256].append(release)
    return [tuple(releases) for releases in found.values()]


async def mark_checked(connection: AsyncConnection, digests: Collection[str], now: int) -> None:
    """Write down that blobs were looked at."""
    await connection.execute(update(blobs).where(blobs.c.sha256.in_(digests)).values(checked_at=now))


async def mark_corrupt(connection: AsyncConnection, sha256: str, since: int | None) -> bool:
    """Write down since when a blob is damaged, or with None that it is not; tell whether that is news."""
    known = blobs.c.corrupt_at.is_(None) if since is not None else blobs.c.corrupt_at.is_not(None)
    query = update(blobs).where(blobs.c.sha256 == sha256, known).values(corrupt_at=since)
    return bool((await connection.execute(query)).rowcount)


async def add_recheck(connection: AsyncConnection, source_id: str, day: int, *, checked: int, failed: int) -> None:
    """Count releases of a source that were looked at, and those whose proof failed; ``day`` since the Unix epoch."""
    statement = insert_or(connection, rechecks).values(source_id=source_id, day=day, checked=checked, failed=failed)
    more = statement.on_conflict_do_update(
        index_elements=["source_id", "day"],
        set_={
            "checked": rechecks.c.checked + statement.excluded.checked,
            "failed": rechecks.c.failed + statement.excluded.failed,
        },
    )
    await connection.execute(more)
