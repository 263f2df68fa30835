"""What trust is computed from, summed up by the database as far as the formula thins it anyway.

Rows give one observation for each day or hour and way it went, never one for each of ten thousand releases. ``since``
is in Unix seconds: what is older weighs too little to be loaded (``EvidenceClass.horizon``).
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Integer, Table, func, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.release import SignatureLevel
from pfn.domain.trust import DAY, HOUR, Observation
from pfn.domain.verification import VerificationResult, VerificationType
from pfn.storage.schema import (
    catalogs,
    health_hours,
    mirrored_plugins,
    rechecks,
    source_verifications,
    sync_failures,
)


def _day(table: Table, column: str) -> ColumnElement[int]:
    # A literal, for PostgreSQL takes two parameters for two different days in SELECT and GROUP BY.
    return table.c[column] // literal_column(str(DAY), Integer)


async def observe_releases(connection: AsyncConnection, source_id: str, since: float) -> Sequence[Observation]:
    """Give the days on which signed releases were mirrored: their signatures held."""
    table = mirrored_plugins
    query = (
        select(func.max(table.c.mirror_date))
        .where(
            table.c.source_id == source_id,
            table.c.level != SignatureLevel.NONE.value,
            table.c.mirror_date >= int(since),
        )
        .group_by(_day(table, "mirror_date"))
    )
    return [Observation(float(row[0]), 1.0) for row in await connection.execute(query)]


async def observe_refusals(
    connection: AsyncConnection, source_id: str, since: float, false_codes: Collection[str]
) -> Sequence[Observation]:
    """Give the days on which releases failed with one of ``false_codes``, each release at its last failure."""
    table = sync_failures
    query = (
        select(func.max(table.c.last_failed))
        .where(table.c.source_id == source_id, table.c.code.in_(false_codes), table.c.last_failed >= int(since))
        .group_by(_day(table, "last_failed"))
    )
    return [Observation(float(row[0]), 0.0) for row in await connection.execute(query)]


async def observe_proofs(
    connection: AsyncConnection, source_id: str, since: float, false_codes: Collection[str]
) -> Sequence[Observation]:
    """Give the ownership proofs by day: those that held, and those that failed with one of ``false_codes``."""
    table = source_verifications
    held = table.c.result == VerificationResult.SUCCESS.value
    query = (
        select(func.max(table.c.verified_at), table.c.result, table.c.verification_type)
        .where(
            table.c.source_id == source_id,
            table.c.verified_at >= int(since),
            or_(held, table.c.code.in_(false_codes)),
        )
        .group_by(_day(table, "verified_at"), table.c.result, table.c.verification_type)
    )
    return [
        Observation(float(at), float(result == VerificationResult.SUCCESS.value), kind == VerificationType.MANUAL.value)
        for at, result, kind in await connection.execute(query)
    ]


async def observe_rechecks(connection: AsyncConnection, source_id: str, since: float) -> Sequence[Observation]:
    """Give the days on which mirrored releases were looked at again, failed where any proof did not hold any more."""
    table = rechecks
    query = select(table.c.day, table.c.failed).where(
        table.c.source_id == source_id, table.c.day >= int(since // DAY), table.c.checked > 0
    )
    return [Observation(float(day * DAY), float(failed == 0)) for day, failed in await connection.execute(query)]


async def observe_uptime(connection: AsyncConnection, source_id: str, since: float) -> Sequence[Observation]:
    """Give the hours in which a source was probed, each by its worst probe."""
    table = health_hours
    query = select(table.c.hour, table.c.worst, table.c.triggered).where(
        table.c.source_id == source_id, table.c.hour >= int(since // HOUR)
    )
    return [
        Observation(float(hour * HOUR), worst, triggered) for hour, worst, triggered in await connection.execute(query)
    ]


async def get_catalog_expiry(connection: AsyncConnection, source_id: str) -> int | None:
    """Give when a source's newest signed catalogue expires (Unix seconds); None where it has none."""
    return (await connection.execute(select(catalogs.c.expires).where(catalogs.c.source_id == source_id))).scalar()
