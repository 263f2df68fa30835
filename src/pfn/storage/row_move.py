"""Move all rows to another database in one transaction there: all of them or none.

The target is empty, or holds exactly as many rows of each table already: then an earlier move was killed after it was
done, and nothing is to be done again. Nobody may write to the source meanwhile: SQLite's write lock sees to that; on
PostgreSQL nobody else may be connected at all.
"""

import time

from sqlalchemy import Connection, func, make_url, select, text

from pfn.protocol.errors import Code, PfnError
from pfn.storage.migrate import migrate
from pfn.storage.row_copy import Report, copy_rows, count_rows, has_rows, open_rows, open_target, require_schema

# Any constant will do that no other advisory lock here has.
_MOVE_LOCK = 7_311_999
# What the end of a move writes to the source.
_MARKED = "log_halts"
_ASK_AGAIN_S, _PATIENCE = 0.1, 20
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity "
    "WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


def require_movable(source_url: str, target_url: str | None) -> None:
    """Raise unless the rows can be moved, or only be read without anybody writing; the target gets its schema.

    Raises PfnError: ``wrong_state``, ``schema_newer``.
    """
    with open_rows(source_url) as source:
        require_schema(source)
        _require_alone(source)
        if target_url is None:
            return
        if make_url(source_url) == make_url(target_url):
            raise _same()
    migrate(target_url)
    with open_rows(source_url) as source, open_target(target_url) as target:
        _require_place(source, target)


def move_rows(source_url: str, target_url: str, report: Report) -> int:
    """Copy every row, and tell how many; where all are there already, only that. Raises PfnError (``wrong_state``)."""
    with open_rows(source_url) as source, open_target(target_url) as target:
        _require_alone(source)
        _require_place(source, target)
        if has_rows(target):
            return sum(count_rows(target).values())
        counts = copy_rows(source, target, report)
        if count_rows(target) != counts:
            raise PfnError(Code.WRONG_STATE, "Not every row arrived; somebody else writes to the new database.")
        return sum(counts.values())


def _require_alone(source: Connection) -> None:
    if source.dialect.name != "postgresql":
        return
    for _ in range(_PATIENCE):
        others: int = source.execute(text(_OTHERS)).scalar_one()
        if not others:
            return
        # Who has just left may still be shown, and within a transaction so is who was looked at before.
        time.sleep(_ASK_AGAIN_S)
        source.execute(select(func.pg_stat_clear_snapshot()))
    raise PfnError(
        Code.WRONG_STATE,
        f"{others} other connections are open to the database that is left. Stop every pfn serve and pfn work, and "
        "whatever else is connected.",
    )


def _require_place(source: Connection, target: Connection) -> None:
    """Raise unless the target is empty, or has as many rows of each table as the source."""
    if source.dialect.name == target.dialect.name == "postgresql":
        # One server may have many addresses; one database has one such lock.
        source.execute(select(func.pg_advisory_xact_lock(_MOVE_LOCK)))
        if not target.execute(select(func.pg_try_advisory_xact_lock(_MOVE_LOCK))).scalar_one():
            raise _same()
    if not has_rows(target):
        return
    here, there = count_rows(source), count_rows(target)
    others = sorted(name for name in here if name != _MARKED and here[name] != there[name])
    if others:
        raise PfnError(
            Code.WRONG_STATE,
            f"The new database is not empty, and holds {there[others[0]]} rows of {others[0]} where the node has "
            f"{here[others[0]]}. Rows are moved into an empty database.",
        )


def _same() -> PfnError:
    return PfnError(Code.WRONG_STATE, "The node's rows are in that database already.")
