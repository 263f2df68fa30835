"""Rows of ``listings`` and ``listing_states``: what each source listed when it was last heard, and how that went.

Only what changed is written. A plugin that is listed no more keeps its row, marked, so that its return is noticed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.sync import Listing
from pfn.storage.dialect import insert_or
from pfn.storage.schema import listing_states, listings

# Both databases take many more parameters in a statement, but not any number.
_AT_A_TIME = 500
_STATE = select(listing_states).where(listing_states.c.source_id == bindparam("of"))


@dataclass(frozen=True, slots=True)
class ListingState:
    """One row of ``listing_states``; all empty where a source was never heard. Times are Unix seconds."""

    etag: str | None = None
    last_modified: str | None = None
    body_sha256: str | None = None
    wanted_digest: str | None = None
    look_again_at: int | None = None
    shrank_at: int | None = None
    rechecked_at: int | None = None


async def get_listing_state(connection: AsyncConnection, source_id: str) -> ListingState | None:
    """Give how the last hearing of a source went; None where there was none."""
    row = (await connection.execute(_STATE, {"of": source_id})).mappings().first()
    return None if row is None else ListingState(**{name: row[name] for name in row if name != "source_id"})


async def change_listing_state(connection: AsyncConnection, source_id: str, **values: object) -> None:
    """Set columns of a source's state, making it where there is none."""
    statement = insert_or(connection, listing_states).values(source_id=source_id, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["source_id"], set_=values))


async def look_again(connection: AsyncConnection, source_id: str) -> None:
    """Let the next sync go through everything that is listed, although the publisher may have changed nothing."""
    table = listing_states
    await connection.execute(update(table).where(table.c.source_id == source_id).values(wanted_digest=None))


async def list_listings(
    connection: AsyncConnection, source_id: str, *, slugs: Collection[str] | None = None, unlisted: bool = False
) -> Sequence[Listing]:
    """Give what a source lists, or these plugins of it, by slug; with ``unlisted`` what it lists no more, too."""
    query = select(listings).where(listings.c.source_id == source_id).order_by(listings.c.plugin_id)
    if not unlisted:
        query = query.where(listings.c.unlisted_at.is_(None))
    if slugs is None:
        return [_read(row) for row in (await connection.execute(query)).mappings()]
    found: list[Listing] = []
    for some in _portions(sorted(slugs)):
        rows = await connection.execute(query.where(listings.c.plugin_id.in_(some)))
        found += [_read(row) for row in rows.mappings()]
    return found


async def listed_statements(connection: AsyncConnection, source_id: str) -> dict[str, tuple[str, str | None]]:
    """Map each plugin a source lists to its version and the payload hash of its statement."""
    query = select(listings.c.plugin_id, listings.c.version, listings.c.statement).where(
        listings.c.source_id == source_id, listings.c.unlisted_at.is_(None)
    )
    return {row[0]: (row[1], row[2]) for row in await connection.execute(query)}


async def count_listed(connection: AsyncConnection, source_id: str) -> int:
    """Count the plugins a source lists."""
    query = select(func.count()).where(listings.c.source_id == source_id, listings.c.unlisted_at.is_(None))
    count: int = (await connection.execute(query)).scalar_one()
    return count


async def put_listings(connection: AsyncConnection, source_id: str, changed: Sequence[Listing]) -> None:
    """Write what is new or changed in place of what was known of these plugins."""
    if not changed:
        return
    statement = insert_or(connection, listings)
    key = ("source_id", "plugin_id")
    others = {column.name: statement.excluded[column.name] for column in listings.c if column.name not in key}
    await connection.execute(
        statement.on_conflict_do_update(index_elements=key, set_=others),
        [
            {
                "source_id": source_id,
                "plugin_id": one.slug,
                "version": one.version,
                "name": one.name,
                "description": one.description,
                "tags": list(one.tags),
                "signature": one.signature,
                "statement": one.statement,
                "first_seen": one.first_seen,
                "unlisted_at": one.unlisted_at,
            }
            for one in changed
        ],
    )


async def mark_unlisted(connection: AsyncConnection, source_id: str, slugs: Collection[str], now: int) -> None:
    """Mark plugins that their publisher lists no more."""
    for some in _portions(sorted(slugs)):
        gone = (listings.c.source_id == source_id) & listings.c.plugin_id.in_(some)
        await connection.execute(update(listings).where(gone).values(unlisted_at=now))


def _portions(slugs: Sequence[str]) -> Sequence[Sequence[str]]:
    return [slugs[start : start + _AT_A_TIME] for start in range(0, len(slugs), _AT_A_TIME)]


def _read(row: RowMapping) -> Listing:
    return Listing(
        slug=row["plugin_id"],
        name=row["name"],
        version=row["version"],
        description=row["description"],
        tags=tuple(row["tags"]),
        signature=row["signature"],
        statement=row["statement"],
        first_seen=row["first_seen"],
        unlisted_at=row["unlisted_at"],
    )
