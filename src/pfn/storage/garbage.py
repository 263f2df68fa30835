"""Which stored bytes no row needs, and how their collection keeps out of the way of bytes that arrive.

Bytes are made durable before their rows are written, so in between they look like garbage. Whoever writes rows counts
the collections before its bytes are kept, and again within its transaction, where it keeps them off
(``hold_garbage``): where the count is another, bytes may be gone and are looked for. Whoever collects excludes such
transactions (``begin_collection``) and finds out what is needed and deletes within one of its own. SQLite has one
writer anyway. So a row without its bytes cannot happen, whatever the clocks say; ages only spare what may come back.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.storage.dialect import insert_or
from pfn.storage.schema import blobs, care, mirrored_plugins, quarantine

_COLLECTIONS = "collections"
# Any constant will do that no other advisory lock here has.
_LOCK = 7_311_994


@dataclass(frozen=True, slots=True)
class Unneeded:
    """Bytes that no release needs; a ``retired`` one still names them, so that their row stays."""

    sha256: str
    size: int
    retired: bool


async def count_collections(connection: AsyncConnection) -> int:
    """Tell how often bytes were deleted as garbage."""
    count: int | None = (await connection.execute(select(care.c.value).where(care.c.name == _COLLECTIONS))).scalar()
    return count or 0


async def hold_garbage(connection: AsyncConnection) -> int:
    """Keep garbage from being collected until this transaction ends, and tell how often it was until now."""
    if connection.dialect.name == "postgresql":
        await connection.execute(select(func.pg_advisory_xact_lock_shared(_LOCK)))
    return await count_collections(connection)


async def begin_collection(connection: AsyncConnection) -> bool:
    """Begin to delete bytes in this transaction; False where somebody writes rows at this moment."""
    if connection.dialect.name == "postgresql":
        # Not waited for: whoever comes behind one that waits for the whole lock would wait too.
        tried = await connection.execute(select(func.pg_try_advisory_xact_lock(_LOCK)))
        if not tried.scalar_one():
            return False
    statement = insert_or(connection, care).values(name=_COLLECTIONS, value=1)
    more = statement.on_conflict_do_update(index_elements=["name"], set_={"value": care.c.value + 1})
    await connection.execute(more)
    return True


async def list_unneeded(
    connection: AsyncConnection, *, before: int, after: str = "", limit: int, among: Collection[str] | None = None
) -> Sequence[Unneeded]:
    """Give bytes stored before a time (Unix seconds) that no release needs, nor did until then, by their SHA-256.

    Those behind ``after``, and only those ``among`` some if they are given.
    """
    named = exists().where(mirrored_plugins.c.sha256 == blobs.c.sha256)
    query = (
        select(blobs.c.sha256, blobs.c.size, named)
        .where(blobs.c.sha256 > after, blobs.c.gone_at.is_(None), blobs.c.stored_at < before, ~_needed(before))
        .order_by(blobs.c.sha256)
        .limit(limit)
    )
    if among is not None:
        query = query.where(blobs.c.sha256.in_(among))
    return [Unneeded(row[0], row[1], bool(row[2])) for row in await connection.execute(query)]


async def take_unneeded(
    connection: AsyncConnection, digests: Collection[str], *, before: int, now: int
) -> Sequence[Unneeded]:
    """Forget those of these bytes that no release needs still, and give them: their files may go now.

    The row of those that a retired release names stays, and says since when they are gone.
    """
    found = await list_unneeded(connection, before=before, limit=len(digests), among=digests)
    named = [one.sha256 for one in found if one.retired]
    await connection.execute(update(blobs).where(blobs.c.sha256.in_(named)).values(gone_at=now, corrupt_at=None))
    await connection.execute(delete(blobs).where(blobs.c.sha256.in_([one.sha256 for one in found if not one.retired])))
    return found


async def without_row(connection: AsyncConnection, digests: Collection[str]) -> set[str]:
    """Give those of these stored digests that no row says are stored."""
    known = select(blobs.c.sha256).where(blobs.c.sha256.in_(digests), blobs.c.gone_at.is_(None))
    return set(digests) - set((await connection.execute(known)).scalars())


async def without_quarantine(connection: AsyncConnection, digests: Collection[str]) -> set[str]:
    """Give those of these digests that nothing in quarantine has."""
    known = select(quarantine.c.sha256).where(quarantine.c.sha256.in_(digests))
    return set(digests) - set((await connection.execute(known)).scalars())


def _needed(before: int) -> ColumnElement[bool]:
    kept = or_(mirrored_plugins.c.retired_at.is_(None), mirrored_plugins.c.retired_at >= before)
    return exists().where(and_(mirrored_plugins.c.sha256 == blobs.c.sha256, kept))
