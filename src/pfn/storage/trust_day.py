"""Rows of ``trust_days``: a source's score as it was last found on each day, for the chart of its page."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.trust import DAY
from pfn.storage.dialect import insert_or
from pfn.storage.schema import trust_days as table


@dataclass(frozen=True, slots=True)
class TrustDay:
    """A day (since the Unix epoch, UTC): the score, and what was earned before gates capped it."""

    day: int
    score: float
    earned: float

    @property
    def at(self) -> int:
        """When it began, in Unix seconds."""
        return self.day * DAY


async def put_trust_day(connection: AsyncConnection, source_id: str, found: TrustDay) -> None:
    """Write a day down; what was found before on that day gives way."""
    values = {"score": found.score, "earned": found.earned}
    statement = insert_or(connection, table).values(source_id=source_id, day=found.day, **values)
    await connection.execute(statement.on_conflict_do_update(index_elements=["source_id", "day"], set_=values))


async def list_trust_days(connection: AsyncConnection, source_id: str, since_day: int) -> Sequence[TrustDay]:
    """Give a source's days from one on, oldest first; a day that nobody looked has none."""
    query = (
        select(table.c.day, table.c.score, table.c.earned)
        .where(table.c.source_id == source_id, table.c.day >= since_day)
        .order_by(table.c.day)
    )
    return [TrustDay(*row) for row in await connection.execute(query)]


async def forget_trust_days(connection: AsyncConnection, before_day: int) -> int:
    """Delete the days before one; tell how many rows went."""
    return (await connection.execute(delete(table).where(table.c.day < before_day))).rowcount
