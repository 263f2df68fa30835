"""Rows of ``source_verifications``."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, case, func, insert, select, true
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.verification import Verification, VerificationResult, VerificationType
from pfn.protocol.check import Check
from pfn.storage.schema import source_verifications as table


@dataclass(frozen=True, slots=True)
class VerificationSummary:
    """What lists show of a source's verifications. ``response_time_avg`` is in milliseconds."""

    last_result: str | None
    successful: int
    response_time_avg: float | None


def _read(row: RowMapping) -> Verification:
    return Verification(
        id=row["id"],
        source_id=row["source_id"],
        verifier=row["verifier"],
        verification_type=VerificationType(row["verification_type"]),
        result=VerificationResult(row["result"]),
        details=row["details"] or "",
        verified_at=row["verified_at"],
        code=row["code"],
        response_ms=row["response_ms"],
        checks=tuple(Check(**check) for check in row["checks"]),
    )


async def add_verification(connection: AsyncConnection, verification: Verification, *, challenge: str | None) -> None:
    """Record an attempt; the database refuses a challenge that was used before. The row's own id is given."""
    await connection.execute(
        insert(table).values(
            source_id=verification.source_id,
            verifier=verification.verifier,
            verification_type=verification.verification_type.value,
            result=verification.result.value,
            details=verification.details,
            verified_at=verification.verified_at,
            code=verification.code,
            response_ms=verification.response_ms,
            challenge=challenge,
            checks=[check.to_json() for check in verification.checks],
        )
    )


async def list_verifications(connection: AsyncConnection, source_id: str, *, limit: int) -> Sequence[Verification]:
    """Give a source's verifications, newest first."""
    query = select(table).where(table.c.source_id == source_id).order_by(table.c.id.desc()).limit(limit)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def summarize_verifications(connection: AsyncConnection, *source_ids: str) -> dict[str, VerificationSummary]:
    """Sum up by source, of all or of these: the last result, how many succeeded, the mean response time."""
    succeeded = func.sum(case((table.c.result == VerificationResult.SUCCESS.value, 1), else_=0))
    sums = (
        select(
            table.c.source_id,
            func.max(table.c.id).label("last_id"),
            succeeded.label("successful"),
            func.avg(table.c.response_ms).label("average"),
        )
        .group_by(table.c.source_id)
        .where(table.c.source_id.in_(source_ids) if source_ids else true())
        .subquery()
    )
    query = select(sums, table.c.result).join(table, table.c.id == sums.c.last_id)
    return {
        row["source_id"]: VerificationSummary(
            last_result=row["result"],
            successful=int(row["successful"]),
            response_time_avg=None if row["average"] is None else round(float(row["average"]), 1),
        )
        for row in (await connection.execute(query)).mappings()
    }
