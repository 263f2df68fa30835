"""Conflicts: what the operator has to look at and decide, of sources and of logs, and each with both its sides.

How a conflict comes about is ``evidence``'s, what follows from lifting a gate ``source``'s.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pfn.protocol.errors import Code, PfnError
from pfn.storage.conflict import (
    Conflict,
    Gated,
    LogConflict,
    list_conflicts,
    list_gated,
    list_log_conflicts,
)
from pfn.storage.database import Database
from pfn.storage.signed_document import Evidence, get_evidence
from pfn.storage.witness import LogEvidence, get_log_evidence

_MOST_LOGS = 50


@dataclass(frozen=True, slots=True)
class ConflictPage:
    """Who is gated, some conflicts of sources with the cursor of the next, and those of logs."""

    gated: Sequence[Gated]
    conflicts: Sequence[Conflict]
    next: int | None
    logs: Sequence[LogConflict]


class ConflictService:
    """Finds conflicts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, *, source_id: str | None = None, limit: int = 50, before: int | None = None) -> ConflictPage:
        """Give a page of them, newest first; of one source alone where it is named."""
        async with self._database.read() as connection:
            gated = await list_gated(connection)
            found = await list_conflicts(connection, limit=limit + 1, source_id=source_id, before=before)
            logs = [] if source_id is not None else await list_log_conflicts(connection, limit=_MOST_LOGS)
        page = found[:limit]
        if source_id is not None:
            gated = [one for one in gated if one.source_id == source_id]
        return ConflictPage(gated, page, page[-1].id if len(found) > limit else None, logs)

    async def get(self, source_id: str, digest: str) -> Evidence:
        """Give one of a source with both sides. Raises PfnError (``not_found``)."""
        async with self._database.read() as connection:
            found = await get_evidence(connection, source_id, digest)
        if found is None:
            raise PfnError(Code.NOT_FOUND, f"No evidence of this name is kept against {source_id}.")
        return found

    async def get_of_log(self, digest: str) -> LogEvidence:
        """Give one of a log with both sides. Raises PfnError (``not_found``)."""
        async with self._database.read() as connection:
            found = await get_log_evidence(connection, digest)
        if found is None:
            raise PfnError(Code.NOT_FOUND, "No evidence of this name is kept against a log.")
        return found
