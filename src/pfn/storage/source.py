"""Rows of ``sources``."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import ColumnElement, RowMapping, bindparam, delete, exists, func, insert, select, true, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.source import AuthorInfo, Source, SourceStatus
from pfn.storage.schema import (
    catalogs,
    evidence,
    mirrored_plugins,
    plugins,
    publisher_documents,
    quarantine,
    release_statements,
    sources,
    subscriptions,
    sync_failures,
    syncs,
)

_DOCUMENTS = (catalogs, publisher_documents, release_statements)


def _read(row: RowMapping) -> Source:
    values = {name: row[name] for name in _COLUMNS}
    values["status"] = SourceStatus(row["status"])
    values["features"] = tuple(row["features"])
    values["gates"] = tuple(row["gates"])
    values["author"] = AuthorInfo(**row["author"]) if row["author"] else None
    return Source(**values)


_COLUMNS = [column.name for column in sources.columns]
# Asked several times in whatever is done, and longer in the making than in the running.
_ONE = select(sources).where(sources.c.id == bindparam("of"))
_ONE_HELD = _ONE.with_for_update()


def _write(values: Mapping[str, object]) -> dict[str, object]:
    row = dict(values)
    if isinstance(row.get("author"), AuthorInfo):
        row["author"] = asdict(row["author"])  # type: ignore[call-overload]  # it is the dataclass just tested for
    for name in row.keys() & {"features", "gates"}:
        row[name] = list(row[name])  # type: ignore[call-overload]  # a tuple of strings
    return row


async def add_source(connection: AsyncConnection, source: Source) -> None:
    """Insert a source; the database refuses a second one of the same instance and username."""
    values = {name: getattr(source, name) for name in _COLUMNS}
    await connection.execute(insert(sources).values(_write(values)))


async def get_source(connection: AsyncConnection, source_id: str, *, lock: bool = False) -> Source | None:
    """Find a source by id, removed or not; ``lock`` holds its row for this transaction."""
    row = (await connection.execute(_ONE_HELD if lock else _ONE, {"of": source_id})).mappings().first()
    return None if row is None else _read(row)


async def find_statuses(connection: AsyncConnection, source_ids: Collection[str]) -> dict[str, SourceStatus]:
    """Give the states of sources, removed or not, by their ids; those that are not there are left out."""
    query = select(sources.c.id, sources.c.status).where(sources.c.id.in_(source_ids))
    return {row[0]: SourceStatus(row[1]) for row in await connection.execute(query)}


async def list_sources(
    connection: AsyncConnection, *, status: SourceStatus | None = None, limit: int | None = None, offset: int = 0
) -> Sequence[Source]:
    """Give the sources that were not removed, or those in one state, highest trust first."""
    query = (
        select(sources)
        .where(sources.c.status != SourceStatus.REMOVED, sources.c.status == status if status else true())
        .order_by(sources.c.trust_score.desc(), sources.c.id)
        .limit(limit)
        .offset(offset)
    )
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def list_namesakes(connection: AsyncConnection, username: str, slug: str) -> Sequence[str]:
    """Give the ids of the sources with this user name, removed ones too, of which such a plugin was ever mirrored."""
    table = mirrored_plugins
    query = (
        select(sources.c.id)
        .where(sources.c.username == username)
        .where(exists().where(table.c.source_id == sources.c.id, table.c.plugin_id == slug))
        .order_by(sources.c.id)
    )
    return [row[0] for row in await connection.execute(query)]


async def sum_trust(connection: AsyncConnection) -> float:
    """Add up every source's score: a number that changes when any of them does, but by a rare chance."""
    total: float = (await connection.execute(select(func.coalesce(func.sum(sources.c.trust_score), 0.0)))).scalar_one()
    return total


async def change_source(connection: AsyncConnection, source_id: str, **values: object) -> None:
    """Set columns of one source."""
    await connection.execute(update(sources).where(sources.c.id == source_id).values(_write(values)))


def serves() -> ColumnElement[bool]:
    """Give the condition that a row of ``sources`` is one whose mirrored releases are offered (``Source.serves``)."""
    return sources.c.status.not_in([status for status in SourceStatus if not status.serves])


async def count_sources(connection: AsyncConnection) -> dict[SourceStatus, int]:
    """Count the sources that were not removed by the state they are in."""
    query = select(sources.c.status, func.count()).where(sources.c.status != SourceStatus.REMOVED)
    return {SourceStatus(row[0]): row[1] for row in await connection.execute(query.group_by(sources.c.status))}


async def count_unproven(connection: AsyncConnection) -> int:
    """Count the sources that never proved their key to this node, without those that were removed."""
    never = sources.c.verified_since.is_(None) & (sources.c.status != SourceStatus.REMOVED)
    count: int = (await connection.execute(select(func.count()).where(never))).scalar_one()
    return count


async def count_offered_plugins(connection: AsyncConnection) -> int:
    """Count the plugins of all sources but those that were suspended or removed."""
    silent = select(sources.c.id).where(~serves())
    # All without those: an index has the number of all of them, a join would look every one of them up.
    everything = select(func.count()).select_from(plugins)
    hidden = select(func.count()).where(plugins.c.source_id.in_(silent))
    query = select(everything.scalar_subquery() - hidden.scalar_subquery())
    count: int = (await connection.execute(query)).scalar_one()
    return count


async def count_plugins(connection: AsyncConnection, *source_ids: str) -> dict[str, int]:
    """Count mirrored plugins by source, of all or of these."""
    query = select(plugins.c.source_id, func.count()).group_by(plugins.c.source_id)
    if source_ids:
        query = query.where(plugins.c.source_id.in_(source_ids))
    return {row[0]: row[1] for row in await connection.execute(query)}


async def count_subscribers(connection: AsyncConnection, *source_ids: str) -> dict[str, int]:
    """Count living subscriptions by source, of all or of these."""
    query = (
        select(subscriptions.c.source_id, func.count())
        .where(subscriptions.c.ended_at.is_(None))
        .group_by(subscriptions.c.source_id)
    )
    if source_ids:
        query = query.where(subscriptions.c.source_id.in_(source_ids))
    return {row[0]: row[1] for row in await connection.execute(query)}


async def forget_source(connection: AsyncConnection, source_id: str) -> None:
    """Delete a source and all that hangs on it but its releases, which must be gone already; for a purge alone."""
    for table in (subscriptions, syncs, sync_failures, quarantine, evidence, *_DOCUMENTS):
        await connection.execute(delete(table).where(table.c.source_id == source_id))
    await connection.execute(delete(sources).where(sources.c.id == source_id))
