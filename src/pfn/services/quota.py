"""Quotas: how much of this node each source fills, and may."""

from dataclasses import replace

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, describe, source_event
from pfn.domain.quota import Quota
from pfn.domain.source import Source, SourceStatus
from pfn.protocol.errors import Code
from pfn.services.clock import Clock
from pfn.services.verification import require_source, unknown_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.release import measure_source
from pfn.storage.source import change_source, get_source
from pfn.storage.sync import retry_failures


class QuotaService:
    """Knows the limits. ``plugins`` and ``bytes`` hold for sources that have none of their own; 0 is no limit."""

    def __init__(self, database: Database, clock: Clock, *, plugins: int, bytes: int) -> None:  # noqa: A002
        self._database = database
        self._clock = clock
        self._plugins = plugins
        self._bytes = bytes

    async def measure(self, source_id: str) -> Quota:
        """Tell what a source fills and may fill. Raises PfnError (``source_unknown``)."""
        source = await require_source(self._database, source_id)
        async with self._database.read() as connection:
            return await self._measure(connection, source)

    async def set(self, actor: str, source_id: str, *, plugins: int | None, bytes: int | None) -> Quota:  # noqa: A002
        """Give a source limits of its own: 0 for none, None for the node's. What waited for room is tried again.

        Raises PfnError (``source_unknown``).
        """
        now = int(self._clock())
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None or source.status is SourceStatus.REMOVED:
                raise unknown_source(source_id)
            before = await self._measure(connection, source)
            limited = replace(source, quota_plugins=plugins, quota_bytes=bytes)
            after = await self._measure(connection, limited)
            await change_source(connection, source_id, quota_plugins=plugins, quota_bytes=bytes)
            await retry_failures(connection, source_id, Code.QUOTA_EXCEEDED.slug, now)
            sentence = f"What {source_id} may fill of this node was set: it fills {after.describe()}."
            details = describe("source_quota", sentence, plugins=plugins, bytes=bytes)
            events = [source_event(source, now, details, actor=actor)]
            if after.is_near() and not before.is_near():
                events.append(quota_warning(source, after, now))
            await add_activities(connection, events)
        return after

    async def _measure(self, connection: AsyncConnection, source: Source) -> Quota:
        plugins, size = await measure_source(connection, source.id)
        return Quota(
            max_plugins=self._plugins if source.quota_plugins is None else source.quota_plugins,
            max_bytes=self._bytes if source.quota_bytes is None else source.quota_bytes,
            plugins=plugins,
            bytes=size,
        )


def quota_warning(source: Source, quota: Quota, now: int) -> Activity:
    """Make the event that a source comes near the wall."""
    sentence = f"{source.id} fills more than four fifths of what it may of this node: {quota.describe()}."
    return source_event(source, now, describe("quota_warning", sentence, **quota.to_json()))
