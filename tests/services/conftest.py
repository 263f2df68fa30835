"""What proves, probes and rechecks sources, wired on a database and a clock of the test's own, with real HTTP."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pfn.domain.activity import Activity, ActivityType
from pfn.domain.peer import Peer
from pfn.domain.schedule import Due, Work
from pfn.domain.source import Source, SourceStatus
from pfn.outbound.fetch import Fetcher
from pfn.outbound.peer import PeerClient
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.errors import SecurityError
from pfn.protocol.source_id import source_id
from pfn.services.blob_repair import BlobRepair
from pfn.services.garbage import GarbageService
from pfn.services.health import HealthService
from pfn.services.key_document import KeyDocumentService
from pfn.services.lease import LeaseService
from pfn.services.ownership import OwnershipService
from pfn.services.recheck import RecheckService
from pfn.services.schedule import ScheduleService, make_paces
from pfn.services.scrub import ScrubService
from pfn.services.statement import StatementService
from pfn.services.verification import VerificationService
from pfn.storage.database import Database
from pfn.storage.file_blobs import FileBlobStore
from pfn.storage.schedule import get_due
from pfn.storage.schema import events
from pfn.storage.source import add_source, change_source, get_source
from pfn.testing.publisher import FakePublisher

START = 1_760_000_000
RECHECK_BYTES = 10_000_000


class StandingClock:
    """A clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = float(START)

    def __call__(self) -> float:
        return self.now


@dataclass
class Proving:
    """The services under test, and words for what their tests ask again and again."""

    database: Database
    clock: StandingClock
    blobs: FileBlobStore
    publishers: PublisherClient
    leases: LeaseService
    schedule: ScheduleService
    verifications: VerificationService
    health: HealthService
    rechecks: RecheckService
    scrubs: ScrubService
    garbage: GarbageService

    async def register(self, publisher: FakePublisher, **changes: Any) -> str:
        """Put a source into the rows, waiting for its first verification, and give its id."""
        source = Source(
            id=source_id(publisher.url, publisher.username),
            instance_url=publisher.url,
            username=publisher.username,
            public_key=publisher.public_key_pem,
            status=SourceStatus.PENDING,
            trust_score=0.0,
            created_at=START,
        )
        source = replace(source, **changes)
        async with self.database.write() as connection:
            await add_source(connection, source)
            await self.schedule.follow(connection, source)
        return source.id

    async def source(self, source_id: str) -> Source:
        async with self.database.read() as connection:
            found = await get_source(connection, source_id)
        assert found is not None
        return found

    async def change(self, source_id: str, **values: Any) -> None:
        async with self.database.write() as connection:
            await change_source(connection, source_id, **values)

    async def events(self, source_id: str) -> list[Activity]:
        """Everything that happened to a source, oldest first."""
        query = select(events).where(events.c.source_id == source_id).order_by(events.c.seq)
        async with self.database.read() as connection:
            rows = (await connection.execute(query)).mappings().all()
        names = {field.name for field in fields(Activity)} & set(events.c.keys())
        return [Activity(**{name: row[name] for name in names} | {"type": ActivityType(row["type"])}) for row in rows]

    async def actions(self, source_id: str) -> list[str]:
        return [str(event.details["action"]) for event in await self.events(source_id)]

    async def due(self, kind: Work, source_id: str) -> Due | None:
        async with self.database.read() as connection:
            return await get_due(connection, kind, source_id)


async def accuse(peer: Peer, error: SecurityError) -> None:
    """Be told that a peer sent other bytes; there is none here."""


@pytest.fixture
async def proving(database: Database, tmp_path: Path) -> AsyncIterator[Proving]:
    """The services, on a database of each kind."""
    clock = StandingClock()
    leases = LeaseService(database, clock, seconds=60, per_host=4)
    paces = make_paces(sync=3600, probe=600, verify=86_400, recheck=86_400, scrub=86_400)
    schedule = ScheduleService(database, clock, paces, dice=lambda: 0.0)
    blobs = FileBlobStore(tmp_path / "blobs")
    async with Fetcher(OutboundPolicy(allow_loopback=True)) as fetcher:
        publishers, documents = PublisherClient(fetcher), SignedDocumentClient(fetcher)
        keys = KeyDocumentService(database, documents, clock)
        ownership = OwnershipService(publishers, keys, clock, node_origin="http://node.test")
        repair = BlobRepair(database, blobs, publishers, PeerClient(fetcher), accuse, clock)
        yield Proving(
            database=database,
            clock=clock,
            blobs=blobs,
            publishers=publishers,
            leases=leases,
            schedule=schedule,
            verifications=VerificationService(database, publishers, ownership, leases, schedule, clock),
            health=HealthService(database, publishers, documents, clock),
            rechecks=RecheckService(
                database, blobs, repair, StatementService(database, keys), clock, max_bytes=RECHECK_BYTES
            ),
            scrubs=ScrubService(database, blobs, repair, leases, schedule, clock, every_s=86_400, rate=0),
            garbage=GarbageService(database, blobs, leases, schedule, clock, grace_days=7),
        )


@pytest.fixture
async def publisher() -> AsyncIterator[FakePublisher]:
    """A v1 publisher, honest until told otherwise."""
    async with FakePublisher("alice") as publisher:
        yield publisher
