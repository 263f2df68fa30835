"""Rows of ``witnessed``, the trees of other logs that this node signed, and of ``log_evidence`` against logs."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.protocol.log.checkpoint import TreeHead
from pfn.storage.dialect import insert_or
from pfn.storage.schema import log_evidence, witnessed


@dataclass(frozen=True, slots=True)
class Witnessed:
    """The largest consistent tree of a log that this node's witness signed, as a note with its signature."""

    origin: str
    head: TreeHead
    note: str
    at: int


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """Two things a log cannot both have meant, as they came; ``digest`` names the pair."""

    origin: str
    kind: str
    details: str
    first: bytes
    second: bytes
    digest: str
    found_at: int


async def get_witnessed(connection: AsyncConnection, origin: str, *, lock: bool = False) -> Witnessed | None:
    """Find what was signed last of a log; ``lock`` holds it for this transaction."""
    query = select(witnessed).where(witnessed.c.origin == origin)
    row = (await connection.execute(query.with_for_update() if lock else query)).first()
    return None if row is None else Witnessed(row.origin, TreeHead(row.size, row.root), row.note, row.at)


async def find_witnessed(connection: AsyncConnection, name: str) -> Witnessed | None:
    """Find what was signed last of the log whose origin has the SHA-256 ``name``, in hex; there are few logs."""
    for row in await connection.execute(select(witnessed)):
        if hashlib.sha256(row.origin.encode()).hexdigest() == name:
            return Witnessed(row.origin, TreeHead(row.size, row.root), row.note, row.at)
    return None


async def set_witnessed(connection: AsyncConnection, known: TreeHead | None, fresh: Witnessed) -> bool:
    """Put ``fresh`` in place of ``known``, and only of that; tell whether it was so."""
    table = witnessed
    values = {"size": fresh.head.size, "root": fresh.head.root, "note": fresh.note, "at": fresh.at}
    if known is None:
        first = insert_or(connection, table).values(origin=fresh.origin, **values).on_conflict_do_nothing()
        return (await connection.execute(first.returning(table.c.origin))).first() is not None
    same = (table.c.origin == fresh.origin) & (table.c.size == known.size) & (table.c.root == known.root)
    return bool((await connection.execute(update(table).where(same).values(values))).rowcount)


async def put_log_evidence(
    connection: AsyncConnection, origin: str, kind: str, details: str, first: bytes, second: bytes, now: int
) -> LogEvidence | None:
    """Keep evidence against a log; None where the same is here already, in whichever order."""
    digest = hashlib.sha256(b"".join(sorted(hashlib.sha256(one).digest() for one in (first, second)))).hexdigest()
    found = LogEvidence(origin, kind, details, first, second, digest, now)
    values = {column.name: getattr(found, column.name) for column in log_evidence.columns if column.name != "id"}
    made = insert_or(connection, log_evidence).values(values).on_conflict_do_nothing()
    return found if (await connection.execute(made.returning(log_evidence.c.id))).first() else None


async def count_log_evidence(connection: AsyncConnection, origin: str) -> int:
    """Count the evidence against a log."""
    query = select(func.count()).select_from(log_evidence).where(log_evidence.c.origin == origin)
    count: int = (await connection.execute(query)).scalar_one()
    return count


async def get_log_evidence(connection: AsyncConnection, digest: str) -> LogEvidence | None:
    """Find one pair."""
    query = select(log_evidence).where(log_evidence.c.digest == digest).limit(1)
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _read_evidence(row)


async def list_log_evidence(connection: AsyncConnection, origin: str | None = None) -> Sequence[LogEvidence]:
    """Give evidence against a log, or against any, newest first."""
    table = log_evidence
    query = select(table).order_by(table.c.id.desc())
    if origin is not None:
        query = query.where(table.c.origin == origin)
    rows = (await connection.execute(query)).mappings()
    return [_read_evidence(row) for row in rows]


def _read_evidence(row: RowMapping) -> LogEvidence:
    return LogEvidence(**{name: value for name, value in row.items() if name != "id"})
