"""How PostgreSQL is spoken to: what every connection is told, and which of its errors mean that it is away.

A transaction of a process that sleeps, was frozen or lost its network must end by itself, for others wait for what it
holds: the log's lock above all (decision 012). The server then takes everything back, and the sleeper's commit fails.
"""

from typing import Any

import psycopg
from psycopg import errors
from sqlalchemy import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from pfn.protocol.errors import Code, PfnError

IDLE_S = 15
"""A transaction waits at most so long for its process's next word. Between two statements lie milliseconds of work."""

LOCK_S = 45
"""A statement waits at most so long for a lock: longer than a sleeper may hold one, so that those who wait go on."""

_CONNECT_S = 5
# A peer that is gone without a word is noticed after some 25 seconds, by the server as by us.
_SILENT_S, _ASK_EVERY_S, _ASK_TIMES = 10, 5, 3
_UNHEARD_MS = 25_000

RETRY_AFTER_S = 2

_SERVER = {
    "idle_in_transaction_session_timeout": f"{IDLE_S}s",
    "lock_timeout": f"{LOCK_S}s",
    "tcp_keepalives_idle": _SILENT_S,
    "tcp_keepalives_interval": _ASK_EVERY_S,
    "tcp_keepalives_count": _ASK_TIMES,
    # Also for a process that is frozen while it is sent an answer: it acknowledges, but takes nothing.
    "tcp_user_timeout": _UNHEARD_MS,
}

# Operational errors: a server that starts, stops or is full, a lock not had in time. The other ended a sleeper's work.
_AWAY = (psycopg.OperationalError, errors.IdleInTransactionSessionTimeout)


def connect_arguments(url: URL, *, patient: bool = False) -> dict[str, Any]:
    """Give what connections are made with; what the URL says itself holds. ``patient`` ones wait for locks for ever."""
    said = {name: value for name, value in _SERVER.items() if not (patient and name == "lock_timeout")}
    ours = " ".join(f"-c {name}={value}" for name, value in said.items())
    theirs = url.query.get("options", "")
    arguments = {
        "connect_timeout": _CONNECT_S,
        "keepalives_idle": _SILENT_S,
        "keepalives_interval": _ASK_EVERY_S,
        "keepalives_count": _ASK_TIMES,
        "tcp_user_timeout": _UNHEARD_MS,
    }
    given = {name: value for name, value in arguments.items() if name not in url.query}
    return {**given, "options": f"{ours} {theirs if isinstance(theirs, str) else ' '.join(theirs)}".strip()}


def explain_absence(error: Exception) -> PfnError | None:
    """Give what it means that the database did not answer, or ended a transaction; None for any other error."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    broken = isinstance(error, DBAPIError) and error.connection_invalidated
    if isinstance(cause, errors.DiskFull):
        return PfnError(Code.STORAGE_FULL, "The disk of the database is full.", internal=str(cause).strip())
    if not (broken or isinstance(cause, (*_AWAY, PoolTimeout))):
        return None
    return PfnError(
        Code.STORAGE_UNAVAILABLE,
        "The database does not answer at this moment; try again.",
        internal=str(cause).strip(),
        retry_after=RETRY_AFTER_S,
    )
