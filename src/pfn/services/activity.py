"""The activity feed: one history, read backwards, each reader as much of it as it may see."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pfn.domain.access import Grant, Scope
from pfn.domain.activity import EVERYTHING, Activity, ActivityFilter
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import require
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
        grant: Grant | None,
        wanted: ActivityFilter = EVERYTHING,
        *,
        limit: int = 50,
        offset: int = 0,
        before: int | None = None,
    ) -> ActivityPage:
        """Give one page; private events are for operators alone, and who has no key sees what is public.

        Raises PfnError: ``key_required``, ``scope_missing`` where private events alone are asked for in vain.
        """
        limit = min(limit, LONGEST_PAGE)
        async with self._database.read() as connection:
            found = await list_activities(
                connection, narrow_to_visible(grant, wanted), limit=limit + 1, offset=offset, before=before
            )
        page = found[:limit]
        return ActivityPage(page, page[-1].seq if len(found) > limit else None)

    async def version(self) -> str:
        """Give a text that changes whenever anything a client can see does: the heart of every ETag.

        All that changes is an event, but for the trust scores, which move with time.
        """
        async with self._database.read() as connection:
            return f"{await last_seq(connection)} {await sum_trust(connection)}"


def narrow_to_visible(grant: Grant | None, wanted: ActivityFilter) -> ActivityFilter:
    """Give what of the wanted events a grant may see. Raises PfnError: ``key_required``, ``scope_missing``."""
    if wanted.private:
        if grant is None:
            raise PfnError(Code.KEY_REQUIRED, "Private events are for the operator: send an API key.")
        require(grant, Scope.SOURCES_WRITE)
    if grant is not None and grant.is_operator:
        return wanted
    return replace(wanted, private=False)
