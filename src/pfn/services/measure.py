"""Measure a node: how its sources, its work and its storage stand, for metrics and for one glance.

Asked often, it answers from a moment ago: rows are counted every few seconds at most, the stored bytes, which is a walk
over all of them, once a minute.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pfn.domain.schedule import Work
from pfn.domain.sync import SyncState
from pfn.services.clock import Clock
from pfn.storage.activity import last_seq
from pfn.storage.database import Database
from pfn.storage.measure import (
    BlobMeasure,
    SourceMeasure,
    WorkMeasure,
    count_all_plugins,
    count_all_releases,
    count_deliveries,
    count_failures,
    count_webhooks,
    measure_blobs,
    measure_sources,
    measure_work,
)

FRESH_S = 5
BLOBS_FRESH_S = 60


@dataclass(frozen=True, slots=True)
class Measurement:
    """A node at one moment, ``at`` (Unix seconds). ``failures`` are by code, deliveries and webhooks by state."""

    at: float
    sources: Sequence[SourceMeasure]
    work: Mapping[Work, WorkMeasure]
    failures: Mapping[str, int]
    deliveries: Mapping[str, int]
    webhooks: Mapping[str, int]
    plugins: int
    releases: int
    blobs: BlobMeasure
    last_event: int
    free_bytes: int

    @property
    def by_status(self) -> Mapping[str, int]:
        """How many sources have each status."""
        return Counter(source.status.value for source in self.sources)

    @property
    def by_health(self) -> Mapping[str, int]:
        """How many sources have each state of health; ``unknown`` before the first probe."""
        return Counter(source.health or "unknown" for source in self.sources)

    @property
    def by_last_sync(self) -> Mapping[str, int]:
        """How the newest sync of the sources stands that had one: the running ones are those that run now."""
        return Counter(source.last_state.value for source in self.sources if source.last_state is not None)

    def to_json(self) -> dict[str, object]:
        """Give the answer of ``/federation/status``."""
        late = [work.oldest_due_at for work in self.work.values() if work.oldest_due_at is not None]
        return {
            "sources": {"total": len(self.sources), "by_status": self.by_status, "by_health": self.by_health},
            "plugins": self.plugins,
            "releases": self.releases,
            "blobs": self.blobs.count,
            "bytes": self.blobs.size,
            "corrupt_blobs": self.blobs.corrupt,
            "free_bytes": self.free_bytes,
            "work": {
                "due": sum(work.due for work in self.work.values()),
                "oldest_due_s": int(max(0.0, self.at - min(late))) if late else 0,
                "running": sum(work.leased for work in self.work.values()),
                "abandoned": sum(work.abandoned for work in self.work.values()),
            },
            "syncs": {"running": self.by_last_sync.get(SyncState.RUNNING.value, 0), "last": self.by_last_sync},
            "failures": {"total": sum(self.failures.values()), "by_code": self.failures},
            "deliveries": self.deliveries,
            "webhooks": self.webhooks,
            "last_event": self.last_event,
        }


class MeasureService:
    """Measures one node; ``data`` is the folder whose disk its bytes are on."""

    def __init__(self, database: Database, clock: Clock, data: Path) -> None:
        self._database = database
        self._clock = clock
        self._data = data
        self._one = asyncio.Lock()
        self._last: Measurement | None = None
        self._blobs: tuple[float, BlobMeasure] | None = None

    async def measure(self) -> Measurement:
        """Give how the node stands, or stood a few seconds ago."""
        async with self._one:
            now = self._clock()
            if self._last is None or not 0 <= now - self._last.at < FRESH_S:
                self._last = await self._measure(now)
            return self._last

    async def _measure(self, now: float) -> Measurement:
        usage = await asyncio.to_thread(shutil.disk_usage, self._data)
        async with self._database.read() as connection:
            if self._blobs is None or not 0 <= now - self._blobs[0] < BLOBS_FRESH_S:
                self._blobs = (now, await measure_blobs(connection))
            return Measurement(
                at=now,
                sources=await measure_sources(connection),
                work=await measure_work(connection, now),
                failures=await count_failures(connection),
                deliveries=await count_deliveries(connection),
                webhooks=await count_webhooks(connection),
                plugins=await count_all_plugins(connection),
                releases=await count_all_releases(connection),
                blobs=self._blobs[1],
                last_event=await last_seq(connection),
                free_bytes=usage.free,
            )
