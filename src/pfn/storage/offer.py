"""What is offered under bare slugs: rows of ``plugins`` of the source that speaks for the slug (decision 010).

Sources that are suspended or removed offer nothing, and nobody stands in for them.
"""

from collections.abc import Collection, Sequence
from functools import cache

from sqlalchemy import RowMapping, Select, String, cast, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.offer import Offer, Offered
from pfn.storage.schema import plugins, slugs, sources
from pfn.storage.source import serves

# SQLite takes tens of thousands of values in one statement, PostgreSQL's driver as many; a site has hundreds.
_AT_ONCE = 500


@cache  # a statement never changes, and takes longer to make than to run
def select_offered() -> Select[tuple[object, ...]]:
    """Give the statement for all that is offered under a bare slug; callers narrow it down."""
    columns = [column for column in plugins.c if column.name != "search_text"]
    return (
        select(*columns, sources.c.instance_url, sources.c.trust_score)
        .join(slugs, (slugs.c.slug == plugins.c.plugin_id) & (slugs.c.source_id == plugins.c.source_id))
        .join(sources, sources.c.id == plugins.c.source_id)
        .where(serves())
    )


def read_offered(row: RowMapping) -> Offered:
    """Make what is offered of a row of ``select_offered``."""
    return Offered(
        source_id=row["source_id"],
        slug=row["plugin_id"],
        kind=row["kind"],
        name=row["name"],
        version=row["newest_version"],
        description=row["description"],
        author=row["author"],
        tags=tuple(row["tags"]),
        updated_at=row["updated_at"],
        instance_url=row["instance_url"],
        trust_score=row["trust_score"],
        offer=Offer.from_json(row["offer"]),
    )


async def find_offered(connection: AsyncConnection, wanted: Collection[str], kind: str) -> dict[str, Offered]:
    """Give what is offered under each of these slugs, by slug; ``kind`` is ``plugin`` or ``theme``."""
    ordered = sorted(set(wanted))
    found: dict[str, Offered] = {}
    for start in range(0, len(ordered), _AT_ONCE):
        chunk = ordered[start : start + _AT_ONCE]
        query = select_offered().where(plugins.c.plugin_id.in_(chunk), plugins.c.kind == kind)
        found |= {row["plugin_id"]: read_offered(row) for row in (await connection.execute(query)).mappings()}
    return found


async def find_offered_of(connection: AsyncConnection, source_id: str, slug: str) -> Offered | None:
    """Give what a source offers under its own name, whoever speaks for the bare slug."""
    columns = [column for column in plugins.c if column.name != "search_text"]
    query = (
        select(*columns, sources.c.instance_url, sources.c.trust_score)
        .join(sources, sources.c.id == plugins.c.source_id)
        .where(serves())
        .where(plugins.c.source_id == source_id, plugins.c.plugin_id == slug)
    )
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else read_offered(row)


async def list_without_offer(connection: AsyncConnection, limit: int) -> Sequence[tuple[str, str]]:
    """Give (source, slug) of plugins whose row says nothing of the newest release's facts, as rows once did."""
    query = select(plugins.c.source_id, plugins.c.plugin_id).where(cast(plugins.c.offer, String) == "{}").limit(limit)
    return [(row[0], row[1]) for row in await connection.execute(query)]
