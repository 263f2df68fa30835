"""A node with a history behind it, for pictures and for tests in a browser.

Everything is real but two things: time, which stands still unless it is moved, and names, which lead to publishers on
this machine. Keys are new each time. ``open_lived_node`` lets days pass: proofs are asked for, releases come, and in
the end some things go wrong. The node does no work of its own accord; its limits of requests are off.
"""

import asyncio
import secrets
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

import uvicorn
from aiohttp.abc import ResolveResult
from fastapi import FastAPI

from pfn.app import begin_stop, build_app, make_worker, prepare
from pfn.domain.access import ALL_SCOPES, OPERATOR, Grant
from pfn.domain.subscription import Filters
from pfn.domain.verification import VerificationType
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.resolver import JudgingResolver
from pfn.publisher.pack import pack_folder
from pfn.publisher.release import Release, read_release
from pfn.services.access import hash_master_key
from pfn.services.node import Services
from pfn.services.webhook import Wish
from pfn.settings import Settings
from pfn.testing.peer import FakePeer
from pfn.testing.plugin import plugin_zip
from pfn.testing.publisher import FakePublisher
from pfn.testing.publisher_v2 import FakePublisherV2
from pfn.work.worker import Worker

ROOT = Path(__file__).resolve().parent.parent
DAY = 86_400
# What passed since the last thing happened.
SINCE_THEN = 3 * 3600

MENUS = "Sorts the admin menu and hides what nobody needs."
FORMS = "Contact forms that keep nothing of what visitors write."
ADA, BOREAL, KITE = "plugins.ada.example", "boreal.example", "kite-works.example"
SOURCE = f"ada@{ADA}"
MASTER = Grant("operator", "operator", ALL_SCOPES)
_NO_NAMES: Mapping[str, int] = MappingProxyType({})

# What everybody may look at, and what operators may.
PUBLIC_PAGES = {
    "home": "/",
    "plugins": "/plugins",
    "plugin": "/plugins/{plugin}",
    "sources": "/sources",
    "source": "/sources/{source}",
    "activity": "/activity",
    "about": "/about",
    "docs": "/docs",
    "sign-in": "/sign-in",
}
CONSOLE_PAGES = {
    "console": "/console",
    "source-gated": "/sources/{gated}",
    "source-add": "/sources/add",
    "source-remove": "/sources/{source}/remove",
    "source-custody": "/sources/{source}/custody",
    "lift-gate": "/sources/{gated}/lift-gate",
    "plugin-verify": "/plugins/{plugin}/verify",
    "syncs": "/syncs",
    "quarantine": "/quarantine",
    "quarantine-item": "/quarantine/{item}",
    "quarantine-drop": "/quarantine/{item}/drop",
    "conflicts": "/conflicts",
    "conflict": "/conflicts/{conflict}",
    "subscriptions": "/subscriptions",
    "subscribe": "/subscriptions/new?source={source}&tags=reading",
    "subscription": "/subscriptions/{subscription}",
    "subscription-end": "/subscriptions/{subscription}/end",
    "slugs": "/slugs",
    "slug": "/slugs/image-dates",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/{webhook}",
    "webhook-add": "/webhooks/add",
    "webhook-change": "/webhooks/{webhook}/change",
    "webhook-rotate": "/webhooks/{webhook}/rotate",
    "webhook-remove": "/webhooks/{webhook}/remove",
    "peers": "/peers",
    "peer": "/peers/{peer}",
    "peer-policy": "/peers/{peer}/policy",
    "peer-remove": "/peers/{peer}/remove",
    "log": "/log",
    "keys": "/keys",
    "key-revoke": "/keys/{key}/revoke",
    "care": "/care",
    "care-garbage": "/care/garbage",
    "care-retention": "/care/retention?versions=1&days=0",
    "audit": "/audit",
    "settings": "/settings",
}
PAGES = PUBLIC_PAGES | CONSOLE_PAGES


class Time:
    """A clock that only moves when it is told to."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@dataclass(frozen=True, slots=True)
class ServedNode:
    """A node that answers at ``address``; ``key`` is its master key, and ``worker`` works when it is told to."""

    address: str
    key: str
    clock: Time
    services: Services
    worker: Worker


@dataclass(frozen=True, slots=True)
class Publishers:
    """Who publishes there: two with signed documents, one of the first generation."""

    ada: FakePublisherV2
    boreal: FakePublisherV2
    kite: FakePublisher

    @property
    def all(self) -> tuple[FakePublisher, ...]:
        """All of them."""
        return self.ada, self.boreal, self.kite


@asynccontextmanager
async def open_lived_node(folder: Path, *, days: int) -> AsyncIterator[ServedNode]:
    """Run a node on an empty folder that has lived for so many days, at least eight, until the block ends."""
    clock = Time(float(int(time.time()) - days * DAY - SINCE_THEN))
    async with AsyncExitStack() as stack:
        publishers = Publishers(
            await stack.enter_async_context(FakePublisherV2("ada", now=int(clock()))),
            await stack.enter_async_context(FakePublisherV2("studio", now=int(clock()))),
            await stack.enter_async_context(FakePublisher("kite")),
        )
        peer = await stack.enter_async_context(FakePeer(operator="Northern Hosting", now=int(clock())))
        ports = {}
        for host, publisher in zip((ADA, BOREAL, KITE), publishers.all, strict=True):
            ports[host] = int(publisher.url.rpartition(":")[2])
            publisher.url = f"http://{host}"
            if isinstance(publisher, FakePublisherV2):
                publisher.start_over()
        node = await stack.enter_async_context(open_node(folder, clock, ports))
        await _live(node, publishers, peer, days)
        yield node


@asynccontextmanager
async def open_node(folder: Path, clock: Time, ports: Mapping[str, int] = _NO_NAMES) -> AsyncIterator[ServedNode]:
    """Run a node on an empty folder until the block ends; it reaches this machine, also by these names."""
    key = secrets.token_urlsafe(32)
    settings = Settings(
        data=folder,
        public_url="https://pfn.example.org",
        node_name="Example node",
        work=False,
        address_limit=0,
        key_limit=0,
        bad_key_limit=0,
    )
    app = build_app(replace(prepare(settings), master_hash=hash_master_key(key)), clock=clock)
    async with _serve(app, ports) as address:
        services = app.state.services
        yield ServedNode(address, key, clock, services, make_worker(services, settings))


async def list_pages(node: ServedNode) -> dict[str, str]:
    """Give every page of a node that has lived, by name: where it is."""
    items = await node.services.quarantine.list()
    keys = await node.services.access.list(MASTER)
    webhooks = await node.services.webhooks.list(MASTER)
    peers = await node.services.peers.list()
    conflict = (await node.services.conflicts.list()).conflicts[0]
    subscriptions = await node.services.subscriptions.page(MASTER)
    ids = {
        "item": items[0].id,
        "key": keys[0].id,
        "webhook": webhooks[0].webhook.id,
        "peer": peers[0].id,
        "conflict": f"{conflict.source_id}/{conflict.digest}",
        "subscription": subscriptions.subscriptions[0].id,
        "source": SOURCE,
        "gated": f"studio@{BOREAL}",
        "plugin": f"{SOURCE}/plain-reading-time",
    }
    return {name: path.format(**ids) for name, path in PAGES.items()}


def _reach(ports: Mapping[str, int]) -> ExitStack:
    """Lead the publishers' names to this machine, for a node that starts within the block."""

    class Names(JudgingResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
        ) -> list[ResolveResult]:
            found = ResolveResult(
                hostname=host,
                host="127.0.0.1",
                port=ports[host],
                family=socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            return [found]

    policy = OutboundPolicy(allowed_hosts=frozenset(ports), allow_loopback=True)
    stack = ExitStack()
    stack.enter_context(patch("pfn.app.wiring.outbound_policy", lambda _: policy))
    stack.enter_context(patch("pfn.outbound.fetch.JudgingResolver", Names))
    return stack


class _Server(uvicorn.Server):
    """One that leaves the signals of the process alone."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # a generator there
        return nullcontext()


@asynccontextmanager
async def _serve(app: FastAPI, ports: Mapping[str, int]) -> AsyncIterator[str]:
    """Serve the node until the block ends, and give its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=5)
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        with _reach(ports):
            while not server.started:  # noqa: ASYNC110  # it has nothing to wait for
                await asyncio.sleep(0.05)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await begin_stop(app)
            server.should_exit = True
            await serving


async def _live(node: ServedNode, publishers: Publishers, peer: FakePeer, days: int) -> None:
    """Let days pass; on the last one things go wrong."""
    services, clock = node.services, node.clock
    ada, boreal, kite = publishers.ada, publishers.boreal, publishers.kite
    first, later = read_examples("1.0.0"), read_examples("1.1.0")
    for release in first:
        publish(ada, release)
    boreal.add_plugin("tidy-menus", "2.3.1", description=MENUS)
    boreal.add_plugin("image-dates", "0.9.0", description="Shows when a photograph was taken.", tags=("images",))
    kite.add_plugin("wind-forms", "1.4.0", description=FORMS, tags=("forms",))
    sources = [await _register(services, publisher) for publisher in publishers.all]
    await _settle_in(services, peer)
    for day in range(1, days + 1):
        clock.now += DAY
        peer.now = int(clock())
        for publisher in publishers.all:
            publisher.now = int(clock())
        if day % 7 == 0:
            ada.renew_catalog()
            boreal.renew_catalog()
        if day > days - len(later):
            publish(ada, later[days - day])
        if day == days - 1:
            trouble(boreal, kite)
        if day == days:
            contradict(boreal)
        for source_id in sources:
            await services.verifications.verify(source_id, VerificationType.PERIODIC, "node")
            await services.health.probe(source_id)
            if day % 7 == 0 or day > days - len(later):
                await services.syncs.run_now(source_id)
        # Writes every source's trust of the day down.
        await services.housekeeping.tidy()
    clock.now += SINCE_THEN
    peer.now = int(clock())
    peer.answers["/hook"] = b"thanks"
    await node.worker.finish_due()


async def _register(services: Services, publisher: FakePublisher) -> str:
    """Add a source, have it proven and subscribed to."""
    source = await services.sources.add(OPERATOR, publisher.url, publisher.username, publisher.public_key_pem)
    await services.verifications.verify(source.id, VerificationType.INITIAL, OPERATOR)
    for owner in ("operator", "agency-blue", "northern-hosting"):
        await services.subscriptions.subscribe(Grant(owner, owner, ALL_SCOPES), source.id, Filters())
    return source.id


async def _settle_in(services: Services, peer: FakePeer) -> None:
    """Make what an operator makes: a key for somebody, a webhook, a peer."""
    await services.access.create(MASTER, "Nightly job of agency blue", owner="agency-blue", expires_in_days=365)
    await services.webhooks.add(MASTER, Wish(f"{peer.url}/hook", description="Chat of the operators"))
    await services.introductions.add(OPERATOR, peer.url)


def read_examples(version: str) -> list[Release]:
    """Read what this version of the example plugins says of itself."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for plugin in sorted((ROOT / "examples" / "plugins").glob(f"*/{version}/*/")):
            packed = pack_folder(plugin, Path(folder) / "plugin.zip")
            release = read_release(packed.read_bytes(), released_at=0)
            assert isinstance(release, Release), release
            found.append(release)
    return found


def publish(publisher: FakePublisher, release: Release) -> None:
    """Publish a plugin of that name and version."""
    publisher.add_plugin(
        release.slug,
        release.version,
        name=release.name,
        description=release.description.replace("\n", " "),
        tags=release.tags,
    )


def trouble(boreal: FakePublisher, kite: FakePublisher) -> None:
    """Have one zip swapped on its way, another one broken, and a third under a slug that is somebody else's."""
    swapped = plugin_zip("tidy-menus", "2.4.0", description=MENUS, files={"inc/stats.php": b"<?php // not mine"})
    boreal.add_plugin("tidy-menus", "2.4.0", description=MENUS, content=swapped)
    whole = kite.add_plugin("wind-forms", "1.5.0", description=FORMS, tags=("forms",))
    kite.replace_zip("wind-forms", "1.5.0", whole[:-40])
    kite.add_plugin("image-dates", "3.0.0", description="Dates below images.", tags=("images",))


def contradict(boreal: FakePublisher) -> None:
    """Have one version signed a second time, with other bytes."""
    boreal.add_plugin("image-dates", "0.9.0", description="Shows where a photograph was taken.", tags=("images",))
