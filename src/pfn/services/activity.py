"""The activity feed: one history, read backwards."""

from collections.abc import Sequence
from dataclasses import dataclass

from pfn.domain.access import Grant
from pfn.domain.activity import Activity
from pfn.storage.activity import last_seq, list_activities
from pfn.storage.database import Database
from pfn.storage.source import sum_trust

LONGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """One page, newest first, and the cursor of the next."""

    activities: Sequence[Activity]
    next: int | None


class ActivityService:
    """Reads the history."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(
        self,
        grant: Grant,
        *,
        limit: int = 50,
        offset: int = 0,
        before: int | None = None,
        source_id: str | None = None,
    ) -> ActivityPage:
        """Give one page; events about keys are for operators alone."""
        limit = min(limit, LONGEST_PAGE)
        async with self._database.read() as connection:
            found = await list_activities(
                connection,
                limit=limit + 1,
                offset=offset,
                before=before,
                source_id=source_id,
                private=grant.is_operator,
            )
        page = found[:limit]
        return ActivityPage(page, page[-1].seq if len(found) > limit else None)

    async def version(self) -> str:
        """Give a text that changes whenever anything a client can see does: the heart of every ETag.

        All that changes is an event, but for the trust scores, which move with time.
        """
        async with self._database.read() as connection:
            return f"{await last_seq(connection)} {await sum_trust(connection)}"
