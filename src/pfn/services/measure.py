"""Measure a node: how its sources, its work and its storage stand, for metrics and for one glance.

Asked often, it answers from a moment ago: rows are counted every few seconds at most, the stored bytes, which is a walk
over all of them, once a minute.
"""

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from pfn.domain.peer import Peer, PeerState
from pfn.domain.schedule import Work
from pfn.domain.sync import SyncState
from pfn.domain.trust import DAY
from pfn.protocol.log.policy import DEFAULT_MAX_AGE
from pfn.services.clock import Clock
from pfn.storage.activity import last_seq
from pfn.storage.database import Database
from pfn.storage.log import count_leaves, read_halt
from pfn.storage.measure import (
    BlobMeasure,
    SourceMeasure,
    WorkMeasure,
    count_all_plugins,
    count_all_releases,
    count_deliveries,
    count_failures,
    count_mirrored,
    count_webhooks,
    measure_blobs,
    measure_sources,
    measure_stored,
    measure_work,
)
from pfn.storage.peer import list_peers

FRESH_S = 5
BLOBS_FRESH_S = 60
HISTORY_DAYS = 30


@dataclass(frozen=True, slots=True)
class Measurement:
    """A node at one moment, ``at`` (Unix seconds). ``failures`` are by code, deliveries and webhooks by state.

    ``peers`` are those that were not removed; ``log_halt`` is why the log is halted, None where it is not.
    """

    at: float
    sources: Sequence[SourceMeasure]
    work: Mapping[Work, WorkMeasure]
    failures: Mapping[str, int]
    deliveries: Mapping[str, int]
    webhooks: Mapping[str, int]
    peers: Sequence[Peer]
    log_size: int
    log_halt: str | None
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

    @property
    def peers_by_state(self) -> Mapping[str, int]:
        """How many peers are in each state."""
        return Counter(peer.state.value for peer in self.peers)

    @property
    def active_peers(self) -> Sequence[Peer]:
        """The peers whose logs are read."""
        return [peer for peer in self.peers if peer.state is PeerState.ACTIVE]

    @property
    def witnessing_operators(self) -> int:
        """How many operators run the witnesses that signed the log so lately that it counts."""
        since = self.at - DEFAULT_MAX_AGE
        witnesses = [peer for peer in self.active_peers if peer.is_witness]
        return len({peer.operator for peer in witnesses if (peer.cosigned_at or 0) >= since})

    @property
    def due(self) -> int:
        """How much work is due and not begun."""
        return sum(work.due for work in self.work.values())

    @property
    def oldest_due_at(self) -> int | None:
        """Since when (Unix seconds) the oldest of it is due."""
        return min((work.oldest_due_at for work in self.work.values() if work.oldest_due_at is not None), default=None)

    @property
    def leased(self) -> int:
        """How much work is under way."""
        return sum(work.leased for work in self.work.values())

    @property
    def abandoned(self) -> int:
        """How much work was left by workers that died."""
        return sum(work.abandoned for work in self.work.values())

    def to_json(self) -> dict[str, object]:
        """Give the answer of ``/federation/status``."""
        oldest = self.oldest_due_at
        return {
            "sources": {"total": len(self.sources), "by_status": self.by_status, "by_health": self.by_health},
            "plugins": self.plugins,
            "releases": self.releases,
            "blobs": self.blobs.count,
            "bytes": self.blobs.size,
            "corrupt_blobs": self.blobs.corrupt,
            "free_bytes": self.free_bytes,
            "work": {
                "due": self.due,
                "oldest_due_s": 0 if oldest is None else int(max(0.0, self.at - oldest)),
                "running": self.leased,
                "abandoned": self.abandoned,
            },
            "syncs": {"running": self.by_last_sync.get(SyncState.RUNNING.value, 0), "last": self.by_last_sync},
            "failures": {"total": sum(self.failures.values()), "by_code": self.failures},
            "deliveries": self.deliveries,
            "webhooks": self.webhooks,
            "peers": self.peers_by_state,
            "log": {
                "size": self.log_size,
                "halted": self.log_halt,
                "witnessing_operators": self.witnessing_operators,
            },
            "last_event": self.last_event,
        }


@dataclass(frozen=True, slots=True)
class NodeDay:
    """A day of a node; ``at`` is its start in Unix seconds.

    ``stored`` are the bytes that are stored now and had come by its end: what was deleted since is not in them.
    """

    at: int
    mirrored: int
    stored: int


class MeasureService:
    """Measures one node; ``data`` is the folder whose disk its bytes are on."""

    def __init__(self, database: Database, clock: Clock, data: Path) -> None:
        self._database = database
        self._clock = clock
        self._data = data
        self._one = asyncio.Lock()
        self._last: Measurement | None = None
        self._blobs: tuple[float, BlobMeasure] | None = None
        self._days: tuple[float, Sequence[NodeDay]] | None = None

    async def measure(self) -> Measurement:
        """Give how the node stands, or stood a few seconds ago."""
        async with self._one:
            now = self._clock()
            if self._last is None or not 0 <= now - self._last.at < FRESH_S:
                self._last = await self._measure(now)
            return self._last

    async def history(self) -> Sequence[NodeDay]:
        """Give the last ``HISTORY_DAYS``, today included, oldest first; as they were a minute ago at most."""
        async with self._one:
            now = self._clock()
            if self._days is None or not 0 <= now - self._days[0] < BLOBS_FRESH_S:
                self._days = (now, await self._look_back(now))
            return self._days[1]

    async def _look_back(self, now: float) -> Sequence[NodeDay]:
        today = int(now // DAY)
        first = today - HISTORY_DAYS + 1
        async with self._database.read() as connection:
            mirrored = await count_mirrored(connection, first)
            came = await measure_stored(connection, first)
            total = (await measure_blobs(connection)).size
        before = total - sum(came.values())
        stored = accumulate((came.get(day, 0) for day in range(first, today + 1)), initial=before)
        next(stored)
        return [
            NodeDay(day * DAY, mirrored.get(day, 0), size)
            for day, size in zip(range(first, today + 1), stored, strict=True)
        ]

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
                peers=await list_peers(connection),
                log_size=await count_leaves(connection),
                log_halt=await read_halt(connection),
                plugins=await count_all_plugins(connection),
                releases=await count_all_releases(connection),
                blobs=self._blobs[1],
                last_event=await last_seq(connection),
                free_bytes=usage.free,
            )
