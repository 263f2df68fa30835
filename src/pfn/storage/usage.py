"""Rows of ``usage_days``: sums by plugin, version and day, added to and never set.

Old days are summed up in a row of day 0, so that a total never falls.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.usage import UsageDay
from pfn.storage.dialect import insert_or, is_of_plugins
from pfn.storage.schema import mirrored_plugins, usage_days

PluginKey = tuple[str, str]
"""A source's id and a slug."""
Counted = tuple[PluginKey, UsageDay]

_AT_ONCE = 400


async def add_usage(connection: AsyncConnection, counted: Iterable[Counted]) -> None:
    """Add to the sums; no plugin may have a version twice for one day."""
    rows = [
        {
            "source_id": source_id,
            "plugin_id": slug,
            "version": sums.version,
            "day": sums.day,
            "downloads": sums.downloads,
            "installs": sums.installs,
        }
        for (source_id, slug), sums in counted
    ]
    for start in range(0, len(rows), _AT_ONCE):
        made = insert_or(connection, usage_days).values(rows[start : start + _AT_ONCE])
        added = {name: usage_days.c[name] + made.excluded[name] for name in ("downloads", "installs")}
        keys = [column.name for column in usage_days.primary_key]
        await connection.execute(made.on_conflict_do_update(index_elements=keys, set_=added))


async def find_mirrored_versions(
    connection: AsyncConnection, keys: Collection[PluginKey]
) -> set[tuple[PluginKey, str]]:
    """Give which versions of these plugins are mirrored here, withdrawn ones too."""
    table = mirrored_plugins
    query = select(table.c.source_id, table.c.plugin_id, table.c.version)
    found: set[tuple[PluginKey, str]] = set()
    for chunk in _chunks(keys):
        named = query.where(is_of_plugins(connection, table, chunk))
        found |= {((row[0], row[1]), row[2]) for row in await connection.execute(named)}
    return found


async def sum_downloads(connection: AsyncConnection, keys: Collection[PluginKey]) -> dict[PluginKey, int]:
    """Give all downloads of each of these plugins that has any sums."""
    table = usage_days
    query = select(table.c.source_id, table.c.plugin_id, func.sum(table.c.downloads)).group_by(
        table.c.source_id, table.c.plugin_id
    )
    found: dict[PluginKey, int] = {}
    for chunk in _chunks(keys):
        named = query.where(is_of_plugins(connection, table, chunk))
        found |= {(row[0], row[1]): int(row[2]) for row in await connection.execute(named)}
    return found


async def sum_installs(
    connection: AsyncConnection, keys: Collection[PluginKey], *, since: int
) -> dict[PluginKey, Mapping[int, int]]:
    """Give the sites counted on each day from ``since`` on, by plugin."""
    table = usage_days
    query = (
        select(table.c.source_id, table.c.plugin_id, table.c.day, func.sum(table.c.installs))
        .where(table.c.day >= since)
        .group_by(table.c.source_id, table.c.plugin_id, table.c.day)
    )
    found: dict[PluginKey, dict[int, int]] = {}
    for chunk in _chunks(keys):
        named = query.where(is_of_plugins(connection, table, chunk))
        for row in await connection.execute(named):
            found.setdefault((row[0], row[1]), {})[row[2]] = int(row[3])
    return dict(found)


async def list_usage(connection: AsyncConnection, key: PluginKey, *, since: int) -> Sequence[UsageDay]:
    """Give a plugin's sums from a day on, newest day first."""
    table = usage_days
    query = (
        select(table.c.day, table.c.version, table.c.downloads, table.c.installs)
        .where(table.c.source_id == key[0], table.c.plugin_id == key[1], table.c.day >= since)
        .order_by(table.c.day.desc(), table.c.version)
    )
    return [UsageDay(*row) for row in await connection.execute(query)]


async def roll_up_usage(connection: AsyncConnection, *, before: int, limit: int) -> int:
    """Sum up to ``limit`` rows of days before ``before`` into those of day 0, and tell how many rows went."""
    table = usage_days
    old = (table.c.day > 0) & (table.c.day < before)
    names = ("source_id", "plugin_id", "version", "day", "downloads")
    query = select(*(table.c[name] for name in names)).where(old).order_by(table.c.day).limit(limit)
    rows = (await connection.execute(query)).all()
    sums: dict[tuple[PluginKey, str], int] = {}
    for source_id, slug, version, day, downloads in rows:
        kept = ((source_id, slug), version)
        sums[kept] = sums.get(kept, 0) + downloads
        this = (table.c.source_id == source_id) & (table.c.plugin_id == slug)
        await connection.execute(delete(table).where(this, table.c.version == version, table.c.day == day))
    # How many sites there were on days long gone adds up to nothing.
    await add_usage(connection, [(key, UsageDay(0, version, sum_, 0)) for (key, version), sum_ in sums.items() if sum_])
    return len(rows)


def _chunks(keys: Collection[PluginKey]) -> Iterable[list[PluginKey]]:
    ordered = sorted(set(keys))
    return (ordered[start : start + _AT_ONCE] for start in range(0, len(ordered), _AT_ONCE))
