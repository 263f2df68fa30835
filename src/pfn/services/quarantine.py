"""Quarantine: list what is kept apart, look at it again, drop it. Nothing here is ever served."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pfn.domain.activity import describe, source_event
from pfn.domain.quarantine import Quarantined
from pfn.domain.zip_verdict import check_claim
from pfn.protocol.errors import Code, PfnError
from pfn.services.clock import Clock
from pfn.services.trust import refresh_trust
from pfn.services.zip_check import ZipCheck
from pfn.storage.activity import add_activities
from pfn.storage.blob_store import BlobStore
from pfn.storage.database import Database
from pfn.storage.listing import look_again
from pfn.storage.quarantine import (
    count_codes,
    count_quarantined,
    drop_quarantined,
    get_quarantined,
    list_quarantined,
)
from pfn.storage.source import get_source
from pfn.storage.sync import clear_failure


@dataclass(frozen=True, slots=True)
class SecondLook:
    """What a second look found: whether the release may be tried again, and why or why not."""

    item: Quarantined
    released: bool
    sentence: str


@dataclass(frozen=True, slots=True)
class QuarantinePage:
    """Some items, how many there are of each reason in all, and whether more follow."""

    items: Sequence[Quarantined]
    codes: Mapping[str, int]
    more: bool


class QuarantineService:
    """Owns what failed."""

    def __init__(self, database: Database, blobs: BlobStore, zips: ZipCheck, clock: Clock) -> None:
        self._database = database
        self._blobs = blobs
        self._zips = zips
        self._clock = clock

    async def list(self, *, source_id: str | None = None) -> Sequence[Quarantined]:
        """Give what is kept apart, newest first."""
        async with self._database.read() as connection:
            return await list_quarantined(connection, source_id=source_id)

    async def page(
        self, *, source_id: str | None = None, code: str | None = None, limit: int = 50, offset: int = 0
    ) -> QuarantinePage:
        """Give a part of it, of one source or one reason where these are given."""
        async with self._database.read() as connection:
            found = await list_quarantined(connection, source_id=source_id, code=code, limit=limit + 1, offset=offset)
            codes = await count_codes(connection, source_id=source_id)
        return QuarantinePage(found[:limit], codes, len(found) > limit)

    async def count(self) -> int:
        """Tell how many items there are."""
        async with self._database.read() as connection:
            return await count_quarantined(connection)

    async def get(self, item_id: int) -> Quarantined:
        """Give one item. Raises PfnError (``quarantine_unknown``)."""
        return await self._find(item_id)

    async def recheck(self, actor: str, item_id: int) -> SecondLook:
        """Judge the bytes again, under today's rules; what passes is let go, so that the next sync tries it afresh.

        Nothing goes from quarantine to the shelf: the release comes in by the front door or not at all.
        Raises PfnError: ``quarantine_unknown``; ``wrong_state``, ``blob_missing`` where there are no bytes to judge.
        """
        item = await self._find(item_id)
        if not item.sha256:
            raise PfnError(
                Code.WRONG_STATE,
                "No bytes were kept: the release was refused before they were fetched. "
                "Drop it, and the next sync tries it afresh.",
            )
        async with self._blobs.quarantined(item.sha256) as path:
            try:
                verdict = await self._zips.judge(path, item.sha256)
                check_claim(verdict, item.plugin_id, item.version)
            except PfnError as error:
                return SecondLook(item, False, f"It still fails. {error.detail}")
        if item.code not in {Code.ZIP_REFUSED.slug, Code.ZIP_MISMATCH.slug}:
            return SecondLook(
                item, False, f"Its zip is in order, but it was refused for another reason: {item.details}"
            )
        await self._let_go(actor, item, "quarantine_released")
        return SecondLook(item, True, "It passes now and is tried afresh at the next sync.")

    async def drop(self, actor: str, item_id: int) -> Quarantined:
        """Delete an item and its bytes; the next sync tries the release afresh.

        Raises PfnError (``quarantine_unknown``).
        """
        item = await self._find(item_id)
        await self._let_go(actor, item, "quarantine_dropped")
        return item

    async def _find(self, item_id: int) -> Quarantined:
        async with self._database.read() as connection:
            item = await get_quarantined(connection, item_id)
        if item is None:
            raise PfnError(Code.QUARANTINE_UNKNOWN, f"Nothing in quarantine has the id {item_id}.")
        return item

    async def _let_go(self, actor: str, item: Quarantined, action: str) -> None:
        sentence = f"{item.plugin_id} {item.version} of {item.source_id} was let go from quarantine."
        now = int(self._clock())
        details = describe(action, sentence, code=item.code, sha256=item.sha256 or None)
        async with self._database.write() as connection:
            last = await drop_quarantined(connection, item)
            await clear_failure(connection, item.source_id, item.plugin_id, item.version)
            await look_again(connection, item.source_id)
            source = await get_source(connection, item.source_id)
            if source is not None:
                await refresh_trust(connection, source, now)
                event = source_event(
                    source, now, details, actor=actor, plugin_id=item.plugin_id, new_version=item.version
                )
                await add_activities(connection, [event])
        if last and item.sha256:
            await self._blobs.drop_quarantined(item.sha256)
