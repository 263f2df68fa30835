"""Webhooks with everything real but the time: their services on a database, and receivers on this machine."""

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from typing import Any, Self
from unittest.mock import patch

import standardwebhooks
from tests.outbound.raw_server import RawServer, Received, Script, reply
from tests.support.records import make_release, make_source, offer

from pfn.domain.access import ADMIN_SCOPES, SUBSCRIBER_SCOPES, Grant
from pfn.domain.activity import Activity, ActivityType, describe, source_event
from pfn.domain.delivery import Delivery
from pfn.domain.release import Release
from pfn.domain.subscription import Filters
from pfn.domain.webhook import Webhook
from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.receiver import ReceiverClient
from pfn.outbound.resolver import Lookup
from pfn.services.delivery import DeliveryService
from pfn.services.lease import LeaseService
from pfn.services.notice import NoticeService
from pfn.services.schedule import ScheduleService, make_paces
from pfn.services.webhook import NewKeys, WebhookService, Wish
from pfn.storage.activity import add_activities
from pfn.storage.database import Database
from pfn.storage.release import add_version_updates
from pfn.storage.source import add_source
from pfn.storage.subscription import put_subscription

NOW = 1_800_000_000
OPERATOR = Grant("key-of-operator", "operator", ADMIN_SCOPES)
AGENCY = Grant("key-of-agency", "agency", SUBSCRIBER_SCOPES)
STRANGER = Grant("key-of-stranger", "stranger", SUBSCRIBER_SCOPES)
# A receiver of a test has a second to answer, not thirty.
HASTY = FetchLimits(connect=0.3, first_byte=0.4, document_total=1.0)


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


class Receiver(RawServer):
    """A receiver of messages that answers 204 until it is told otherwise."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.say(reply(status="204 No Content"))
        return self

    def say(self, *scripts: Script) -> None:
        """Answer like this from now on: with one script after the other, the last of them for good."""
        left = list(scripts)

        async def answer(writer: Any) -> None:
            script = left.pop(0) if len(left) > 1 else left[0]
            if callable(script):
                await script(writer)
            else:
                writer.write(script)

        self.answers["/hook"] = answer

    @property
    def hook(self) -> str:
        """Where messages go."""
        return self.url("/hook")

    @property
    def ids(self) -> list[str]:
        """The ids of what came, in order."""
        return [one.headers["webhook-id"] for one in self.received]


def _clock_at(timestamp: str) -> type[datetime]:
    class Held(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Held":
            return cls.fromtimestamp(int(timestamp), tz)

    return Held


def believe(received: Received, secret: str) -> dict[str, Any]:
    """Read a message as a receiver does that uses the standard's own library. Raises what that raises."""
    # The standard's own library goes by the real time; these messages are of the time the tests hold.
    with patch("standardwebhooks.webhooks.datetime", _clock_at(received.headers["webhook-timestamp"])):
        message: dict[str, Any] = standardwebhooks.Webhook(secret).verify(received.body, received.headers)
    return message


@dataclass
class House:
    """The services of webhooks, and what a test does with them."""

    database: Database
    clock: Clock
    leases: LeaseService
    schedule: ScheduleService
    webhooks: WebhookService
    versions: Callable[[], int] = field(default_factory=lambda: itertools.count(1).__next__)

    async def add(self, url: str, grant: Grant = OPERATOR, **wish: Any) -> NewKeys:
        """Make a webhook and let its own making pass by unheard."""
        made = await self.webhooks.add(grant, Wish(url, **wish))
        await self.webhooks.notify()
        for delivery in await self.log(made.webhook, grant):
            assert delivery.type == "federation_event.webhook_added"
        async with self.database.write() as connection:
            await connection.exec_driver_sql("DELETE FROM deliveries")
        return made

    async def tell(self, *activities: Activity) -> None:
        """Write events."""
        async with self.database.write() as connection:
            await add_activities(connection, activities)

    async def release(self, source_id: str, slug: str = "hello", **changes: Any) -> Release:
        """Take in a release as a sync does, with its event; its version is a new one every time."""
        release = make_release(slug, f"{self.versions()}.0", source_id, mirror_date=int(self.clock()), **changes)
        activity = Activity(
            type=ActivityType.VERSION_UPDATE,
            timestamp=int(self.clock()),
            actor="node",
            source_id=source_id,
            source_username=source_id.partition("@")[0],
            plugin_id=slug,
            plugin_name=release.name,
            old_version="0.0.0",
            new_version=release.version,
            details=describe("plugin_added", f"{release.name} {release.version} was mirrored for the first time."),
        )
        async with self.database.write() as connection:
            await offer(connection, release)
            await add_version_updates(connection, [(release, "0.0.0")])
            await add_activities(connection, [activity])
        return release

    async def source(self, source_id: str, *subscribers: Grant, **filters: Any) -> None:
        """Register a source, with subscribers of the same filters."""
        async with self.database.write() as connection:
            await add_source(connection, make_source(source_id))
            for grant in subscribers:
                await put_subscription(connection, source_id, grant.owner, Filters(**filters), int(self.clock()))

    async def happen(self, source_id: str, action: str = "source_verified", **changes: Any) -> None:
        """Write an event about a source."""
        details = describe(action, f"{source_id}: {action}.")
        await self.tell(replace(source_event(make_source(source_id), int(self.clock()), details), **changes))

    async def log(self, webhook: Webhook, grant: Grant = OPERATOR) -> list[Delivery]:
        """Give a webhook's deliveries, oldest first."""
        return list(reversed((await self.webhooks.list_deliveries(grant, webhook.id, limit=200)).deliveries))

    async def notified(self) -> dict[tuple[str, str], bool]:
        """Map (slug, version) of every version update to whether it is marked as told."""
        async with self.database.read() as connection:
            rows = await connection.exec_driver_sql("SELECT plugin_id, new_version, notified FROM version_updates")
            return {(row[0], row[1]): bool(row[2]) for row in rows}


@asynccontextmanager
async def open_house(
    database: Database,
    *,
    policy: OutboundPolicy | None = None,
    lookup: Lookup | None = None,
    limits: FetchLimits = HASTY,
) -> AsyncIterator[House]:
    """Wire the services on a database; by default receivers on this machine may be reached."""
    clock = Clock()
    policy = policy or OutboundPolicy(allow_loopback=True)
    leases = LeaseService(database, clock, seconds=60, per_host=4)
    paces = make_paces(sync=3600, probe=600, verify=86_400, recheck=86_400, scrub=86_400)
    schedule = ScheduleService(database, clock, paces, dice=lambda: 0.0)
    async with Fetcher(policy, limits, lookup=lookup) as fetcher:
        deliveries = DeliveryService(database, ReceiverClient(fetcher), schedule, clock, dice=lambda: 0.0)
        notices = NoticeService(database, schedule, clock)
        yield House(database, clock, leases, schedule, WebhookService(database, policy, notices, deliveries, clock))
