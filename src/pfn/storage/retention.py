"""Retired releases: their rows, leaves and proofs stay, their bytes are garbage a while later."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.retention import Offered
from pfn.storage.dialect import is_of_plugins
from pfn.storage.schema import blobs, mirrored_plugins
from pfn.wordpress.version import sort_versions

table = mirrored_plugins
_OFFERED = and_(table.c.retired_at.is_(None), table.c.yanked_at.is_(None), table.c.block_reason.is_(None))

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Retired:
    """How many releases are retired, and of how many of them the bytes are gone."""

    releases: int
    gone: int


@dataclass(frozen=True, slots=True)
class BroughtBack:
    """How many releases came back, and of how many the bytes must be fetched again first."""

    releases: int
    missing: int


async def list_crowded(
    connection: AsyncConnection, versions: int, *, source_id: str | None, after: Key, limit: int
) -> Sequence[Key]:
    """Give the plugins (source_id, slug) behind ``after`` that have more offered versions than so many."""
    key = (table.c.source_id, table.c.plugin_id)
    query = select(*key).where(_OFFERED, tuple_(*key) > tuple_(*after))
    if source_id is not None:
        query = query.where(table.c.source_id == source_id)
    query = query.group_by(*key).having(func.count() > versions).order_by(*key).limit(limit)
    return [(row[0], row[1]) for row in await connection.execute(query)]


async def list_offered_versions(connection: AsyncConnection, keys: Collection[Key]) -> Mapping[Key, Sequence[Offered]]:
    """Give the offered releases of these plugins, newest first."""
    query = (
        select(table.c.source_id, table.c.plugin_id, table.c.version, table.c.sha256, blobs.c.size, table.c.mirror_date)
        .join(blobs, blobs.c.sha256 == table.c.sha256)
        .where(is_of_plugins(connection, table, keys), _OFFERED)
    )
    found: dict[Key, dict[str, Offered]] = {key: {} for key in keys}
    for source_id, slug, version, *rest in await connection.execute(query):
        found[source_id, slug][version] = Offered(version, *rest)
    return {key: [of[version] for version in reversed(sort_versions(of))] for key, of in found.items()}


async def retire(connection: AsyncConnection, key: Key, versions: Collection[str], now: int) -> int:
    """Retire these versions of a plugin, and tell how many are so now that were not."""
    which = and_(table.c.source_id == key[0], table.c.plugin_id == key[1], table.c.version.in_(versions))
    return (await connection.execute(update(table).where(which, _OFFERED).values(retired_at=now))).rowcount


async def count_retired(connection: AsyncConnection, source_id: str | None = None) -> Retired:
    """Count what is retired, of all sources or of one."""
    query = (
        select(func.count(), func.count(blobs.c.gone_at))
        .join(blobs, blobs.c.sha256 == table.c.sha256)
        .where(table.c.retired_at.is_not(None), *_of(source_id))
    )
    row = (await connection.execute(query)).one()
    return Retired(row[0], row[1])


async def list_retired(connection: AsyncConnection, source_id: str | None, *, limit: int) -> Sequence[Key]:
    """Give plugins that have retired releases."""
    query = select(table.c.source_id, table.c.plugin_id).where(table.c.retired_at.is_not(None), *_of(source_id))
    return [(row[0], row[1]) for row in await connection.execute(query.distinct().limit(limit))]


async def bring_back(connection: AsyncConnection, keys: Collection[Key], now: int) -> BroughtBack:
    """End the retirement of all releases of these plugins.

    Bytes that are gone count as damaged from then on: they are not served until they were fetched again.
    """
    retired = and_(table.c.retired_at.is_not(None), is_of_plugins(connection, table, keys))
    named = select(table.c.sha256).join(blobs, blobs.c.sha256 == table.c.sha256).where(retired)
    missing = list((await connection.execute(named.where(blobs.c.gone_at.is_not(None)))).scalars())
    absent = update(blobs).where(blobs.c.sha256.in_(missing))
    await connection.execute(absent.values(gone_at=None, corrupt_at=now, checked_at=None))
    back = await connection.execute(update(table).where(retired).values(retired_at=None))
    return BroughtBack(back.rowcount, len(missing))


def _of(source_id: str | None) -> list[ColumnElement[bool]]:
    return [] if source_id is None else [table.c.source_id == source_id]
