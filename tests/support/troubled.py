"""A node's rows with one trouble of each kind in them, as measuring and examining them should find."""

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection
from tests.support.records import ANN, BOB, add_sources, make_release, offer

from pfn.domain.schedule import Work
from pfn.domain.source import SourceStatus
from pfn.storage.schedule import put_due
from pfn.storage.schema import blobs, deliveries, health, schedule, sync_failures, syncs, webhooks
from pfn.storage.source import change_source

NOW = 2_000_000
HOUR = 3600
CARL = "carl@three.example"
GONE = "gone@four.example"


async def add_trouble(connection: AsyncConnection, now: int = NOW) -> None:
    """Fill an empty database; every time is counted back from ``now`` (Unix seconds)."""
    await add_sources(connection, ANN, BOB, CARL, GONE)
    await change_source(connection, ANN, last_sync=now - 10, trust_score=0.75)
    await change_source(connection, BOB, status=SourceStatus.ERROR.value)
    await change_source(connection, CARL, status=SourceStatus.SUSPENDED.value)
    await change_source(connection, GONE, status=SourceStatus.REMOVED.value)
    for source_id, state in ((ANN, "healthy"), (BOB, "down")):
        await connection.execute(insert(health).values(source_id=source_id, state=state, since=1, checked_at=1))
    for source_id, state in ((ANN, "failed"), (ANN, "finished"), (BOB, "finished"), (BOB, "running")):
        await connection.execute(insert(syncs).values(source_id=source_id, state=state, started_at=1))
    for version, code in (("1.0", "unsigned"), ("2.0", "unsigned"), ("3.0", "asset_missing")):
        values = {"source_id": ANN, "plugin_id": "bad", "version": version, "code": code, "details": "Why."}
        await connection.execute(insert(sync_failures).values(first_failed=1, last_failed=1, **values))
    await offer(connection, make_release("hello", "1.0"), make_release("hello", "2.0"), make_release("other", "1.0"))
    await connection.execute(
        update(blobs).where(blobs.c.sha256 == make_release("hello", "1.0").blob.sha256).values(corrupt_at=1)
    )
    await _schedule(connection, now)
    for state in ("active", "disabled"):
        values = {"owner": "x", "url": "https://x", "secret": "s", "signing_key": "k", "state": state}
        await connection.execute(insert(webhooks).values(created_at=1, **values))
    for number, state in enumerate(("pending", "failed", "failed")):
        values = {"webhook_id": 1, "message_id": str(number), "type": "t", "body": "{}", "state": state}
        await connection.execute(insert(deliveries).values(created_at=1, **values))


async def _schedule(connection: AsyncConnection, now: int) -> None:
    for kind, subject, due_at in (
        (Work.SYNC, ANN, now - 2 * HOUR),
        (Work.SYNC, BOB, now),
        (Work.SYNC, CARL, now + 1),
        (Work.PROBE, ANN, now - 5),
        (Work.PROBE, BOB, now - 5),
        (Work.TIDY, "", now + HOUR),
    ):
        await put_due(connection, kind, subject, due_at=due_at, interval_s=HOUR)
    for subject, until in ((ANN, now + 10), (BOB, now - 1)):
        leased = update(schedule).where(schedule.c.kind == Work.PROBE.value, schedule.c.subject == subject)
        await connection.execute(leased.values(owner="token", lease_until=until))
