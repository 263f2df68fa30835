"""Rows of ``health`` and ``health_hours``: how sources fare now, and a compact history.

A row is read and written back by who holds the source's row, so that no probe is lost between two.
"""

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import RowMapping, case, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.health import Health, HealthHour, HealthState
from pfn.storage.dialect import insert_or
from pfn.storage.schema import health as table
from pfn.storage.schema import health_hours as hours


def _read(row: RowMapping) -> Health:
    values = {name: value for name, value in row.items() if name != "source_id"}
    return Health(**{**values, "state": HealthState(row["state"])})


def _read_hour(row: RowMapping) -> HealthHour:
    values = {name: value for name, value in row.items() if name != "source_id"}
    return HealthHour(**{**values, "times": tuple(row["times"])})


async def get_health(connection: AsyncConnection, source_id: str) -> Health | None:
    """Give how a source fares; None where it was never probed."""
    row = (await connection.execute(select(table).where(table.c.source_id == source_id))).mappings().first()
    return None if row is None else _read(row)


async def list_health(connection: AsyncConnection, *source_ids: str) -> dict[str, Health]:
    """Give how every source fares that was probed, or each of these, by its id."""
    query = select(table).where(table.c.source_id.in_(source_ids)) if source_ids else select(table)
    return {row["source_id"]: _read(row) for row in (await connection.execute(query)).mappings()}


async def put_health(connection: AsyncConnection, source_id: str, health: Health) -> None:
    """Write down how a source fares now."""
    values = asdict(health)
    statement = insert_or(connection, table).values(source_id=source_id, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["source_id"], set_=values))


async def get_hour(connection: AsyncConnection, source_id: str, hour: int) -> HealthHour:
    """Give an hour of a source, without probes where none are known; ``hour`` counts from the Unix epoch."""
    query = select(hours).where(hours.c.source_id == source_id, hours.c.hour == hour)
    row = (await connection.execute(query)).mappings().first()
    return HealthHour(hour) if row is None else _read_hour(row)


async def put_hour(connection: AsyncConnection, source_id: str, hour: HealthHour) -> None:
    """Write an hour down."""
    values = {**asdict(hour), "times": list(hour.times)}
    statement = insert_or(connection, hours).values(source_id=source_id, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["source_id", "hour"], set_=values))


async def list_hours(connection: AsyncConnection, source_id: str, since_hour: int) -> Sequence[HealthHour]:
    """Give a source's hours from ``since_hour`` on, oldest first; those without probes have no row."""
    query = select(hours).where(hours.c.source_id == source_id, hours.c.hour >= since_hour).order_by(hours.c.hour)
    return [_read_hour(row) for row in (await connection.execute(query)).mappings()]


async def count_answered(
    connection: AsyncConnection, since_hours: Sequence[int]
) -> dict[str, tuple[tuple[int, int], ...]]:
    """Count by source, for each of these first hours, the probes from then on and how many of them failed."""
    columns = [
        func.sum(case((hours.c.hour >= since, column), else_=0))
        for since in since_hours
        for column in (hours.c.probes, hours.c.failed)
    ]
    query = select(hours.c.source_id, *columns).where(hours.c.hour >= min(since_hours)).group_by(hours.c.source_id)
    return {
        row[0]: tuple((int(row[at]), int(row[at + 1])) for at in range(1, len(row), 2))
        for row in await connection.execute(query)
    }


async def forget_hours(connection: AsyncConnection, before_hour: int) -> int:
    """Delete the hours before one (since the Unix epoch); tell how many rows went."""
    return (await connection.execute(delete(hours).where(hours.c.hour < before_hour))).rowcount
