"""Write down how a source answered: its state, its hour, and the event where the state changed.

Probes are observations, and so is every verification. The caller holds the source's row and adds the events last.
"""

from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from pfn.domain.activity import Activity, ActivityType, describe, source_event
from pfn.domain.health import Health, HealthState, Probe, add_to_hour, observe
from pfn.domain.source import Source
from pfn.domain.trust import HOUR
from pfn.storage.health import get_health, get_hour, put_health, put_hour


async def record_probe(connection: AsyncConnection, source: Source, probe: Probe, now: int) -> list[Activity]:
    """Write a probe down and give the event of what changed by it, if anything did."""
    before = await get_health(connection, source.id)
    after = observe(before, probe, now)
    await put_health(connection, source.id, after)
    hour = await get_hour(connection, source.id, now // HOUR)
    counted = add_to_hour(hour, probe)
    if counted != hour:
        await put_hour(connection, source.id, counted)
    was = before.state if before else HealthState.HEALTHY
    return [] if after.state is was else [_tell(source, before, after, now)]


def _tell(source: Source, before: Health | None, after: Health, now: int) -> Activity:
    action, sentence = _say(source.id, before, after)
    details = describe(
        action,
        sentence,
        state=after.state.value,
        old_state=before.state.value if before else None,
        old_since=before.since if before else None,
        last_seen=after.last_seen,
        code=after.last_code if after.response_ms is None else None,
    )
    return replace(source_event(source, now, details), type=ActivityType.HEALTH_CHANGE)


def _say(source_id: str, before: Health | None, after: Health) -> tuple[str, str]:
    """Give the action's stable word and the sentence for people."""
    if after.state is HealthState.DOWN:
        seen = "has never answered" if after.last_seen is None else f"has not answered since {_moment(after.last_seen)}"
        return "source_down", f"{source_id} {seen}. {after.last_error}"
    trouble = after.last_error if after.response_ms is None else f"It took {after.response_ms} ms to answer."
    if before is None:
        return "source_degraded", f"{source_id} answered its first probe badly. {trouble}"
    was = f"it was {before.state.value} since {_moment(before.since)}"
    if after.state is HealthState.HEALTHY:
        last = f" Its last error was: {after.last_error}" if after.last_error else ""
        return "source_recovered", f"{source_id} answers well again; {was}.{last}"
    if before.state is HealthState.DOWN:
        return "source_degraded", f"{source_id} answers again, but slowly; {was}. {trouble}"
    return "source_degraded", f"{source_id} answers badly. {trouble}"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
