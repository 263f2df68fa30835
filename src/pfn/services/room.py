"""Room on the disk: with too little of it nothing new is mirrored and everything served, and the feed says so once.

What is left free is for the rows, which must be able to say that the disk is full.
"""

import asyncio

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import NODE, Activity, ActivityFilter, ActivityType, describe
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.storage.activity import add_activities, list_activities
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database

_FULL, _RECOVERED = "storage_full", "storage_recovered"


class Room:
    """Watches the disk of the blobs. ``min_free_bytes`` is what mirroring leaves free."""

    def __init__(self, database: Database, blobs: BlobStore, clock: Clock, *, min_free_bytes: int) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._min_free_bytes = min_free_bytes

    async def require(self) -> None:
        """Raise PfnError (``storage_full``) unless there is room for more."""
        free = await asyncio.to_thread(self._blobs.free_bytes)
        if free is not None and free < self._min_free_bytes:
            raise PfnError(
                Code.STORAGE_FULL,
                f"The node's disk has {free} bytes free and keeps {self._min_free_bytes}; "
                "it goes on serving but mirrors nothing new.",
            )

    async def record_full(self, connection: AsyncConnection, detail: str) -> None:
        """Say that the disk is full, unless that was said and nothing better since."""
        if not await self._is_said(connection):
            await add_activities(connection, [self._event(_FULL, detail)])

    async def record_recovered(self) -> None:
        """Say that there is room again, if it was said that there is none."""
        async with self._database.read() as connection:
            said = await self._is_said(connection)
        if said:
            async with self._database.write() as connection:
                if await self._is_said(connection):
                    event = self._event(_RECOVERED, "There is room on the node's disk again; it mirrors what is new.")
                    await add_activities(connection, [event])

    async def _is_said(self, connection: AsyncConnection) -> bool:
        last = []
        for action in (_FULL, _RECOVERED):
            found = await list_activities(connection, ActivityFilter(actions=frozenset({action})), limit=1)
            last.append(found[0].seq if found else 0)
        return last[0] > last[1]

    def _event(self, action: str, sentence: str) -> Activity:
        return Activity(
            type=ActivityType.FEDERATION_EVENT,
            timestamp=int(self._clock()),
            actor=NODE,
            details=describe(action, sentence),
        )
