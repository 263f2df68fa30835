"""The second look at stored bytes: when each blob was looked at, whether it matches, and what came of it by day."""

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import attrgetter

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.release import Blob, Release
from pfn.storage.dialect import insert_or
from pfn.storage.release import list_releases_of
from pfn.storage.schema import blobs, care, mirrored_plugins, rechecks

_LOOK = "look"


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
            _is_due(before),
        )
        .order_by(blobs.c.corrupt_at.is_(None), blobs.c.checked_at.is_not(None), blobs.c.checked_at, blobs.c.sha256)
        .limit(limit)
    )
    digests = list((await connection.execute(query)).scalars())
    found: dict[str, list[Release]] = {digest: [] for digest in digests}
    for release in await list_releases_of(connection, digests):
        if release.source_id == source_id:
            found[release.blob.sha256].append(release)
    return [tuple(releases) for releases in found.values()]


async def list_longest_unchecked(connection: AsyncConnection, *, before: int, limit: int) -> Sequence[Blob]:
    """Give up to ``limit`` stored blobs that were not looked at since ``before`` (Unix seconds), longest first."""
    columns = (blobs.c.sha256, blobs.c.sha1, blobs.c.sha384, blobs.c.size, blobs.c.corrupt_at.is_not(None))
    query = (
        select(*columns)
        .where(_is_due(before))
        .order_by(blobs.c.checked_at.asc().nulls_first(), blobs.c.sha256)
        .limit(limit)
    )
    return [Blob(*row) for row in await connection.execute(query)]


async def measure_unchecked(connection: AsyncConnection, *, before: int) -> tuple[int, int]:
    """Count the stored blobs that were not looked at since ``before``, and their bytes."""
    query = select(func.count(), func.coalesce(func.sum(blobs.c.size), 0)).where(_is_due(before))
    row = (await connection.execute(query)).one()
    return row[0], int(row[1])


async def oldest_check(connection: AsyncConnection) -> tuple[int, int | None]:
    """Count the stored blobs that were never looked at, and give the oldest of the last looks at the others."""
    never = func.count().filter(blobs.c.checked_at.is_(None))
    query = select(never, func.min(blobs.c.checked_at)).where(blobs.c.gone_at.is_(None))
    row = (await connection.execute(query)).one()
    return row[0], row[1]


async def newest_check(connection: AsyncConnection) -> int | None:
    """Give when a blob was looked at last, in Unix seconds; None where none ever was."""
    newest: int | None = (await connection.execute(select(func.max(blobs.c.checked_at)))).scalar()
    return newest


async def list_holders(connection: AsyncConnection, sha256: str) -> Sequence[tuple[Release, ...]]:
    """Give the releases that have certain bytes, by their source."""
    found = await list_releases_of(connection, [sha256])
    return [tuple(releases) for _, releases in groupby(found, key=attrgetter("source_id"))]


async def get_look(connection: AsyncConnection) -> int | None:
    """Give what a look over the whole store that is not done yet goes by: blobs not looked at since then."""
    return (await connection.execute(select(care.c.value).where(care.c.name == _LOOK))).scalar()


async def put_look(connection: AsyncConnection, before: int | None) -> None:
    """Begin such a look, or end it."""
    if before is None:
        await connection.execute(delete(care).where(care.c.name == _LOOK))
        return
    statement = insert_or(connection, care).values(name=_LOOK, value=before)
    await connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": before}))


def _is_due(before: int) -> ColumnElement[bool]:
    late = or_(blobs.c.checked_at.is_(None), blobs.c.checked_at < before)
    return and_(blobs.c.gone_at.is_(None), late)


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
