"""The syncs of all sources: which run, how the last ones went, what waits for another try; and a person's "try again".

Does no sync: whoever says "try again" begins one after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pfn.domain.sync import Sync, SyncFailure
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.verification import require_source
from pfn.storage.database import Database
from pfn.storage.sync_history import let_try_again, list_all_failures, list_ended, list_running


@dataclass(frozen=True, slots=True)
class SyncPage:
    """Syncs that ended, newest first, and the cursor of those before them."""

    syncs: Sequence[Sync]
    next: int | None


@dataclass(frozen=True, slots=True)
class FailurePage:
    """What failed, each with its id, and the cursor of what came up before."""

    failures: Sequence[tuple[int, SyncFailure]]
    next: int | None


class SyncHistoryService:
    """Looks over all sources at once."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list_running(self) -> Sequence[Sync]:
        """Give the syncs that run now."""
        async with self._database.read() as connection:
            return await list_running(connection, self._clock())

    async def list_ended(self, *, source_id: str | None = None, before: int | None = None, limit: int = 20) -> SyncPage:
        """Give a page of the syncs that ended."""
        async with self._database.read() as connection:
            found = await list_ended(connection, source_id=source_id, before=before, limit=limit + 1)
        page = found[:limit]
        return SyncPage(page, page[-1].id if len(found) > limit else None)

    async def list_failures(
        self, *, source_id: str | None = None, before: int | None = None, limit: int = 50
    ) -> FailurePage:
        """Give a page of what did not come through and is not mended."""
        async with self._database.read() as connection:
            found = await list_all_failures(connection, source_id=source_id, before=before, limit=limit + 1)
        page = found[:limit]
        return FailurePage(page, page[-1][0] if len(found) > limit else None)

    async def let_try_again(self, source_id: str, failure_id: int | None = None) -> Sequence[SyncFailure]:
        """Have what failed of a source tried by its next sync, one failure or all; also what only a person may try.

        Raises PfnError: ``source_unknown``; ``not_found`` where there is no such failure any more.
        """
        await require_source(self._database, source_id)
        now = int(self._clock())
        async with self._database.write() as connection:
            found = await let_try_again(connection, source_id, now, failure_id=failure_id)
        if not found:
            raise PfnError(Code.NOT_FOUND, "That came through meanwhile, or is not listed any more.")
        return found
