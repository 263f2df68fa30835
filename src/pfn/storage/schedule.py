"""Rows of ``schedule``: what is due, and who holds it.

Every change of a lease compares its token first, so that whoever lost it writes nothing. On PostgreSQL claims skip rows
that another claim holds at this moment; SQLite has one writer.
"""

from collections import Counter
from collections.abc import Collection, Sequence

from sqlalchemy import RowMapping, and_, case, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.elements import ColumnElement

from pfn.domain.schedule import Due, Next, Work
from pfn.storage.dialect import insert_or
from pfn.storage.schema import schedule as table

_LOOK_FURTHER = 8


def _read(row: RowMapping) -> Due:
    return Due(**{**row, "kind": Work(row["kind"])})


def _is(kind: Work, subject: str) -> ColumnElement[bool]:
    return and_(table.c.kind == kind.value, table.c.subject == subject)


def _free(now: float) -> ColumnElement[bool]:
    return or_(table.c.lease_until.is_(None), table.c.lease_until <= now)


async def put_due(
    connection: AsyncConnection, kind: Work, subject: str, *, due_at: int, interval_s: int, host: str = ""
) -> None:
    """Schedule something; what is scheduled already keeps its row, due at the sooner of the two times.

    What is under way may have looked already at what there is to do: it is then done again, ``due_at`` at the latest.
    """
    statement = insert_or(connection, table).values(
        kind=kind.value, subject=subject, host=host, due_at=due_at, interval_s=interval_s
    )
    asked = statement.excluded.due_at
    leased = table.c.owner.is_not(None)
    sooner = statement.on_conflict_do_update(
        index_elements=["kind", "subject"],
        set_={
            "due_at": case((table.c.due_at > asked, asked), else_=table.c.due_at),
            "again_at": case(
                (and_(leased, func.coalesce(table.c.again_at, asked) >= asked), asked), else_=table.c.again_at
            ),
            "host": statement.excluded.host,
        },
        where=or_(table.c.due_at > asked, leased),
    )
    await connection.execute(sooner)


async def hasten(connection: AsyncConnection, kind: Work, due_at: int, *, unless: str | None = None) -> None:
    """Have all scheduled work of a kind done by a time, but for what ended with the outcome ``unless``.

    What is under way is done again. A row that another transaction is changing at this moment is left to it, for the
    caller may hold what that one waits for.
    """
    late = or_(table.c.due_at > due_at, table.c.owner.is_not(None))
    which = and_(table.c.kind == kind.value, late)
    if unless is not None:
        which = and_(which, func.coalesce(table.c.outcome, "") != unless)
    free = select(table.c.subject).where(which).with_for_update(skip_locked=True)
    again = and_(table.c.owner.is_not(None), func.coalesce(table.c.again_at, due_at) >= due_at)
    await connection.execute(
        update(table)
        .where(table.c.kind == kind.value, table.c.subject.in_(free))
        .values(
            due_at=case((table.c.due_at > due_at, due_at), else_=table.c.due_at),
            again_at=case((again, due_at), else_=table.c.again_at),
        )
    )


async def drop_due(connection: AsyncConnection, subject: str, kinds: Collection[Work]) -> None:
    """Unschedule; work that is under way notices when its next heartbeat finds no row."""
    names = [kind.value for kind in kinds]
    await connection.execute(delete(table).where(table.c.subject == subject, table.c.kind.in_(names)))


async def claim_due(
    connection: AsyncConnection, now: int, *, token: str, until: int, limit: int, per_host: int
) -> Sequence[Due]:
    """Claim up to ``limit`` rows that are due, longest due first, no more than ``per_host`` of a host under way.

    A row that names no host asks nobody and is not counted.
    """
    busy = (
        select(table.c.host, func.count()).where(table.c.lease_until > now, table.c.host != "").group_by(table.c.host)
    )
    counts = Counter({row[0]: row[1] for row in await connection.execute(busy)})
    full = [host for host, count in counts.items() if count >= per_host]
    query = (
        select(table)
        .where(table.c.due_at <= now, _free(now), table.c.host.not_in(full))
        .order_by(table.c.due_at, table.c.kind, table.c.subject)
        .limit(limit * _LOOK_FURTHER)
        .with_for_update(skip_locked=True)
    )
    claimed: list[Due] = []
    for row in (await connection.execute(query)).mappings().all():
        due = _read(row)
        if len(claimed) == limit:
            break
        if due.host and counts[due.host] >= per_host:
            continue
        counts[due.host] += 1
        claimed.append(due)
    for due in claimed:
        await connection.execute(
            update(table)
            .where(_is(due.kind, due.subject))
            .values(owner=token, lease_until=until, ran_at=now, again_at=None)
        )
    return claimed


async def claim_one(
    connection: AsyncConnection, kind: Work, subject: str, now: int, *, token: str, until: int, host: str = ""
) -> Due | None:
    """Claim one row, due or not, for who was asked to do it now; None where somebody else holds it."""
    absent = insert_or(connection, table).values(kind=kind.value, subject=subject, host=host, due_at=now, interval_s=0)
    await connection.execute(absent.on_conflict_do_nothing())
    query = (
        update(table)
        .where(_is(kind, subject), _free(now))
        .values(owner=token, lease_until=until, ran_at=now, again_at=None)
        .returning(table)
    )
    row = (await connection.execute(query)).mappings().first()
    return None if row is None else _read(row)


async def renew_lease(connection: AsyncConnection, kind: Work, subject: str, *, token: str, until: int) -> bool:
    """Keep a lease alive; tell whether it is still held."""
    query = update(table).where(_is(kind, subject), table.c.owner == token).values(lease_until=until)
    return bool((await connection.execute(query)).rowcount)


async def end_lease(
    connection: AsyncConnection, kind: Work, subject: str, *, token: str, following: Next | None, outcome: str | None
) -> bool:
    """Give a row back, due as planned, or as it was where nothing is; tell whether it was still held.

    Where it is wanted again sooner than that, it is due then.
    """
    values: dict[str, object] = {"owner": None, "lease_until": None, "again_at": None}
    if outcome is not None:
        values["outcome"] = outcome
    if following is not None:
        due_at = case((table.c.again_at < following.due_at, table.c.again_at), else_=following.due_at)
        values |= {"due_at": due_at, "interval_s": following.interval_s, "failures": following.failures}
    query = update(table).where(_is(kind, subject), table.c.owner == token).values(values)
    return bool((await connection.execute(query)).rowcount)


async def free_leases(connection: AsyncConnection) -> int:
    """End every lease: for a process that knows itself to be the only one, after a crash. Tell how many there were."""
    query = update(table).where(table.c.owner.is_not(None)).values(owner=None, lease_until=None)
    return (await connection.execute(query)).rowcount


async def get_due(connection: AsyncConnection, kind: Work, subject: str) -> Due | None:
    """Find one row."""
    row = (await connection.execute(select(table).where(_is(kind, subject)))).mappings().first()
    return None if row is None else _read(row)


async def list_due(
    connection: AsyncConnection, *, subject: str | None = None, limit: int | None = None
) -> Sequence[Due]:
    """Give what is scheduled, soonest first."""
    query = select(table).order_by(table.c.due_at, table.c.kind, table.c.subject).limit(limit)
    if subject is not None:
        query = query.where(table.c.subject == subject)
    return [_read(row) for row in (await connection.execute(query)).mappings()]


async def next_due_at(connection: AsyncConnection, now: float) -> int | None:
    """Give when the next row is due that nobody holds; None where there is none."""
    free: int | None = (await connection.execute(select(func.min(table.c.due_at)).where(_free(now)))).scalar_one()
    return free
