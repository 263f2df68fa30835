"""What is known of sources: as lists show them, and everything about one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.health import HealthState
from pfn.domain.schedule import Due
from pfn.domain.source import Source, SourceStatus
from pfn.domain.sync import Sync, SyncFailure
from pfn.domain.trust import DAY, Trust
from pfn.domain.verification import Verification
from pfn.services.clock import Clock
from pfn.services.health import HealthReport, explain_health
from pfn.services.trust import explain_trust
from pfn.services.verification import require_source
from pfn.storage.database import Database
from pfn.storage.health import list_health
from pfn.storage.schedule import list_due
from pfn.storage.signed_document import Evidence, list_evidence
from pfn.storage.source import (
    count_offered_plugins,
    count_plugins,
    count_sources,
    count_subscribers,
    list_sources,
)
from pfn.storage.sync import list_failures, list_syncs
from pfn.storage.trust_day import TrustDay, list_trust_days
from pfn.storage.verification import VerificationSummary, list_verifications, summarize_verifications

_NO_VERIFICATIONS = VerificationSummary(last_result=None, successful=0, response_time_avg=None)
TRUST_DAYS = 90
"""How many days of trust a report has, today included."""
_HISTORY = 20


@dataclass(frozen=True, slots=True)
class SourceOverview:
    """A source as lists show it; ``health`` is None before the first probe."""

    source: Source
    subscriber_count: int
    plugin_count: int
    verifications: VerificationSummary
    health: HealthState | None


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Some sources; how many there are in each state, removed ones aside, and how many plugins all of them offer."""

    sources: Sequence[SourceOverview]
    states: Mapping[SourceStatus, int]
    plugin_count: int


@dataclass(frozen=True, slots=True)
class SourceReport:
    """Everything there is to say about one source now, ``at`` (Unix seconds)."""

    overview: SourceOverview
    trust: Trust
    health: HealthReport
    verifications: Sequence[Verification]
    syncs: Sequence[Sync]
    failures: Sequence[SyncFailure]
    schedule: Sequence[Due]
    trust_days: Sequence[TrustDay]
    at: int


class SourceReports:
    """Tells what is known; it changes nothing."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def list(self) -> Sequence[SourceOverview]:
        """Give every source, highest trust first."""
        async with self._database.read() as connection:
            return await _describe(connection, await list_sources(connection))

    async def page(self, *, status: SourceStatus | None = None, limit: int, offset: int = 0) -> SourcePage:
        """Give some of the sources, or of those in one state, highest trust first; it reads no more than it gives."""
        async with self._database.read() as connection:
            found = await list_sources(connection, status=status, limit=limit, offset=offset)
            ids = [one.id for one in found]
            described = await _describe(connection, found, *ids) if ids else []
            return SourcePage(described, await count_sources(connection), await count_offered_plugins(connection))

    async def overview(self, source_id: str) -> SourceOverview:
        """Give one source as lists show it. Raises PfnError (``source_unknown``)."""
        source = await require_source(self._database, source_id)
        async with self._database.read() as connection:
            return (await _describe(connection, [source], source_id))[0]

    async def report(self, source_id: str) -> SourceReport:
        """Give everything about one source. Raises PfnError (``source_unknown``)."""
        overview = await self.overview(source_id)
        now = self._clock()
        async with self._database.read() as connection:
            return SourceReport(
                overview=overview,
                trust=await explain_trust(connection, overview.source, now),
                health=await explain_health(connection, overview.source, now),
                verifications=await list_verifications(connection, source_id, limit=_HISTORY),
                syncs=await list_syncs(connection, source_id, limit=_HISTORY),
                failures=await list_failures(connection, source_id, limit=_HISTORY),
                schedule=await list_due(connection, subject=source_id),
                trust_days=await list_trust_days(connection, source_id, int(now // DAY) - TRUST_DAYS + 1),
                at=int(now),
            )

    async def evidence(self, source_id: str) -> Sequence[Evidence]:
        """Give the evidence against a source. Raises PfnError (``source_unknown``)."""
        await require_source(self._database, source_id)
        async with self._database.read() as connection:
            return await list_evidence(connection, source_id)


async def _describe(connection: AsyncConnection, found: Sequence[Source], *ids: str) -> Sequence[SourceOverview]:
    """Describe sources as lists show them; ``ids`` are theirs, or none where they are all there are."""
    plugins = await count_plugins(connection, *ids)
    subscribers = await count_subscribers(connection, *ids)
    summaries = await summarize_verifications(connection, *ids)
    health = await list_health(connection, *ids)
    return [
        SourceOverview(
            source,
            subscribers.get(source.id, 0),
            plugins.get(source.id, 0),
            summaries.get(source.id, _NO_VERIFICATIONS),
            health[source.id].state if source.id in health else None,
        )
        for source in found
    ]
