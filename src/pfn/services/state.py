"""State digests: one hash over what is held, so that two nodes can tell whether they hold the same (protocol.md 4).

What counts is what is served: the releases of sources that are offered, yanked ones marked, blocked ones left out,
because a node that came later never took them. The digest is made anew when the log has grown; nothing else changes it.
"""

import asyncio

from pfn.protocol.log.state_digest import HeldRelease, state_digest
from pfn.protocol.peer import HeldState
from pfn.services.verification import require_source
from pfn.storage.database import Database
from pfn.storage.held import list_held
from pfn.storage.log import count_leaves

_MOST_KEPT = 10_000


class StateService:
    """Knows what the node holds."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._kept: dict[str | None, HeldState] = {}

    async def held(self, source_id: str | None = None) -> HeldState:
        """Give the digest over what is held of one source, or of all. Raises PfnError (``source_unknown``)."""
        if source_id is not None:
            await require_source(self._database, source_id)
        async with self._database.read() as connection:
            size = await count_leaves(connection)
            known = self._kept.get(source_id)
            if known is not None and known.log_size == size:
                return known
            held = await list_held(connection, source_id)
        releases = [
            HeldRelease(slug if source_id else f"{source}/{slug}", version, sha256, "yanked" if yanked else "offered")
            for source, slug, version, sha256, yanked in held
        ]
        digest = await asyncio.to_thread(state_digest, releases)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        made = HeldState(source=source_id, digest=digest, count=len(releases), log_size=size)
        self._kept[source_id] = made
        return made
