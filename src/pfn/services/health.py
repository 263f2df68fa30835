"""Health: probe a source with one cheap request, and tell how it fared.

A probe asks what anybody may read, ``/federation-info``, or the key document of a publisher that has nothing else, and
proves nothing: proofs are ``pfn.services.verification``'s, which count as probes too. No transaction is open while the
publisher is asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.health import Health, HealthDay, HealthHour, Probe, average, percentile, share_answered, sum_up_days
from pfn.domain.schedule import Outcome, Result, Work
from pfn.domain.source import Source
from pfn.domain.trust import HOUR
from pfn.outbound.publisher import PublisherClient
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.errors import Code, Fault, PfnError
from pfn.services.clock import Clock
from pfn.services.observation import record_probe
from pfn.services.trust import refresh_trust
from pfn.services.verification import require_source
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.health import count_answered, get_health, list_health, list_hours
from pfn.storage.schedule import get_due, list_due
from pfn.storage.source import get_source, list_sources

REPORT_DAYS = 30
_PERIODS = (24, 7 * 24, 30 * 24)


@dataclass(frozen=True, slots=True)
class Uptime:
    """The share of probes that were answered in the last day, week and 30 days; None where there were none."""

    day: float | None = None
    week: float | None = None
    month: float | None = None


@dataclass(frozen=True, slots=True)
class HealthSummary:
    """How a source fares, as a list shows it; ``next_check`` (Unix seconds) is None where none is planned."""

    source_id: str
    health: Health | None
    uptime: Uptime
    next_check: int | None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """A summary with its history: hours with probes and all days, oldest first, and the times (ms) over them."""

    summary: HealthSummary
    average_ms: int | None
    p95_ms: int | None
    hours: Sequence[HealthHour]
    days: Sequence[HealthDay]


class HealthService:
    """Probes sources."""

    def __init__(
        self, database: Database, publishers: PublisherClient, documents: SignedDocumentClient, clock: Clock
    ) -> None:
        self._database = database
        self._publishers = publishers
        self._documents = documents
        self._clock = clock

    async def probe(self, source_id: str) -> Outcome:
        """Ask a source once and write down how it answered; a publisher's failure raises nothing.

        It is a failed outcome, with the wait its publisher asked for.
        """
        async with self._database.read() as connection:
            source = await get_source(connection, source_id)
        if source is None or not source.serves:
            return Outcome(Result.UNCHANGED, detail="not probed")
        try:
            probe = Probe(await self._ask(source))
        except PfnError as error:
            if error.code.fault is not Fault.PUBLISHER:
                # The node may not ask, say: that tells nothing about the source.
                return Outcome(Result.FAILED, error.retry_after, error.code.slug)
            await self._record(source_id, Probe(None, error.code.slug, error.detail))
            return Outcome(Result.FAILED, error.retry_after, error.code.slug)
        await self._record(source_id, probe)
        return Outcome(Result.UNCHANGED, detail=f"{probe.response_ms} ms")

    async def list(self) -> Sequence[HealthSummary]:
        """Give how every source fares, by its id."""
        now = self._clock()
        async with self._database.read() as connection:
            sources = await list_sources(connection)
            found = await list_health(connection)
            counts = await count_answered(connection, [_first_hour(now, hours) for hours in _PERIODS])
            checks = {due.subject: due.due_at for due in await list_due(connection) if due.kind is Work.PROBE}
        return [
            HealthSummary(
                source.id,
                found.get(source.id),
                Uptime(*(1 - failed / probes if probes else None for probes, failed in counts.get(source.id, ()))),
                checks.get(source.id),
            )
            for source in sorted(sources, key=lambda source: source.id)
        ]

    async def report(self, source_id: str, days: int = REPORT_DAYS) -> HealthReport:
        """Give how a source fared over so many days. Raises PfnError (``source_unknown``)."""
        source = await require_source(self._database, source_id)
        async with self._database.read() as connection:
            return await explain_health(connection, source, self._clock(), days)

    async def _ask(self, source: Source) -> int:
        """Give in how many milliseconds the publisher answered. Raises PfnError where it did not, or made no sense."""
        static = source.asset_domain is None
        if not static or source.generation == 1:
            try:
                return (await self._publishers.time_info(source.instance_url)).elapsed_ms
            except PfnError as error:
                # One that was not verified yet may turn out to have nothing but a key document.
                if not static or error.code is not Code.NOT_A_PUBLISHER:
                    raise
        elapsed = await self._documents.time_key_document(source.instance_url)
        if elapsed is None:
            raise PfnError(Code.NOT_A_PUBLISHER, "There is neither /federation-info nor a key document there.")
        return elapsed

    async def _record(self, source_id: str, probe: Probe) -> None:
        now = int(self._clock())
        async with self._database.write() as connection:
            source = await get_source(connection, source_id, lock=True)
            if source is None:
                return
            events = await record_probe(connection, source, probe, now)
            if events:
                await refresh_trust(connection, source, now)
            await add_activities(connection, events)


async def explain_health(
    connection: AsyncConnection, source: Source, now: float, days: int = REPORT_DAYS
) -> HealthReport:
    """Tell how a source fared over so many days; its uptime is always that of a day, a week and 30 days."""
    asked = _first_hour(now, days * 24)
    hours = await list_hours(connection, source.id, min(asked, _first_hour(now, _PERIODS[-1])))
    due = await get_due(connection, Work.PROBE, source.id)
    shares = (share_answered(one for one in hours if one.hour >= _first_hour(now, period)) for period in _PERIODS)
    shown = [one for one in hours if one.hour >= asked]
    times = [time for hour in shown for time in hour.times]
    return HealthReport(
        summary=HealthSummary(
            source.id, await get_health(connection, source.id), Uptime(*shares), due.due_at if due else None
        ),
        average_ms=average(times),
        p95_ms=percentile(times, 0.95),
        hours=shown,
        days=sum_up_days(hours, now, days),
    )


def _first_hour(now: float, hours: int) -> int:
    """Give the first of the last so many hours, the present one included."""
    return int(now // HOUR) - hours + 1
