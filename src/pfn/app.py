"""The composition root: settings in, a wired node out. It alone knows all the parts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from fastapi import FastAPI

from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.services.access import AccessService, hash_master_key
from pfn.services.activity import ActivityService
from pfn.services.background import Background
from pfn.services.bad_keys import BadKeys
from pfn.services.catalog import CatalogService
from pfn.services.clock import Clock
from pfn.services.doctor import Finding, examine_node
from pfn.services.key_document import KeyDocumentService
from pfn.services.mirror import MirrorService
from pfn.services.node import Services
from pfn.services.ownership import OwnershipService
from pfn.services.quarantine import QuarantineService
from pfn.services.release import ReleaseService
from pfn.services.session import SessionService
from pfn.services.signed_listing import SignedListingService
from pfn.services.source import SourceService
from pfn.services.statement import StatementService
from pfn.services.subscription import SubscriptionService
from pfn.services.sync import SyncService
from pfn.services.verification import VerificationService
from pfn.services.zip_check import ZipCheck
from pfn.settings import Settings
from pfn.storage.blob_store import FileBlobStore
from pfn.storage.database import Database, sqlite_url
from pfn.storage.identity import keep_master_hash, load_identity, make_master_key, read_master_hash
from pfn.storage.migrate import migrate
from pfn.web.site import build_site
from pfn.work.start import pick_up

DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data folder ready to serve. ``new_master_key`` is there only when one was made just now: show it."""

    settings: Settings
    identity: SigningKey
    master_hash: str
    new_master_key: str | None


def prepare(settings: Settings, *, renew_master_key: bool = False) -> Prepared:
    """Make what a node needs before it serves: its folder, its identity, a master key, an up-to-date schema.

    Doing it again changes nothing, unless a new master key is asked for, which ends the old one.
    Raises PfnError: ``schema_newer``.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    identity = load_identity(settings.data)
    migrate(database_url(settings))
    if settings.master_key_text is not None:
        return Prepared(settings, identity, hash_master_key(settings.master_key_text), None)
    known = read_master_hash(settings.data)
    if known is not None and not renew_master_key:
        return Prepared(settings, identity, known, None)
    key = make_master_key()
    master_hash = hash_master_key(key)
    keep_master_hash(settings.data, master_hash)
    return Prepared(settings, identity, master_hash, key)


def database_url(settings: Settings) -> str:
    """Give where the rows are."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return sqlite_url(settings.data / "node.db")


def outbound_policy(settings: Settings) -> OutboundPolicy:
    """Give what the node may reach."""
    return OutboundPolicy(
        allowed_ports=frozenset(settings.allow_ports),
        allowed_hosts=frozenset(settings.allow_hosts),
        allow_loopback=settings.allow_loopback,
    )


def warnings(settings: Settings) -> tuple[str, ...]:
    """Give the sentences an operator should see on every page and in ``pfn doctor``."""
    found = []
    if settings.allow_loopback:
        found.append("Publishers on this machine may be reached over http (allow_loopback): for development only.")
    if settings.allow_hosts:
        found.append(
            f"These hosts may be reached over http and at private addresses (allow_hosts): "
            f"{', '.join(settings.allow_hosts)}."
        )
    if settings.allow_unsigned:
        found.append("Plugins without a signature are mirrored (allow_unsigned).")
    return tuple(found)


async def examine(settings: Settings) -> list[Finding]:
    """Look a node over at rest (``pfn doctor``). Raises PfnError (``data_missing``) where there is none."""
    if not settings.data.is_dir():
        raise PfnError(Code.DATA_MISSING, f"There is no node in {settings.data}; make one with: pfn init")
    migrate(database_url(settings))
    database = Database(database_url(settings))
    try:
        blobs = FileBlobStore(settings.data / "blobs")
        return await examine_node(settings.data, database, blobs, warnings(settings))
    finally:
        await database.close()


@asynccontextmanager
async def open_services(prepared: Prepared, clock: Clock, *, recover: bool) -> AsyncIterator[Services]:
    """Wire a node and take it apart again; ``recover`` clears away what a crash left, first."""
    settings = prepared.settings
    database = Database(database_url(settings))
    blobs = FileBlobStore(settings.data / "blobs")
    if recover:
        await asyncio.to_thread(blobs.sweep)
    zips = ZipCheck(database, settings.zip_workers)
    policy = outbound_policy(settings)
    limits = FetchLimits(per_host=settings.sync_concurrency, download_bytes=settings.max_zip_bytes)
    try:
        async with Fetcher(policy, limits) as fetcher:
            publishers = PublisherClient(fetcher)
            documents = SignedDocumentClient(fetcher)
            keys = KeyDocumentService(database, documents, clock)
            catalogs = CatalogService(database, documents, keys, clock)
            ownership = OwnershipService(publishers, keys, clock, node_origin=settings.origin)
            statements = StatementService(database, keys)
            signed_listings = SignedListingService(
                database, documents, catalogs, clock, concurrency=settings.sync_concurrency
            )
            access = AccessService(database, clock, prepared.master_hash, BadKeys(clock, settings.bad_key_limit))
            mirror = MirrorService(
                database,
                blobs,
                publishers,
                documents,
                zips,
                clock,
                max_zip_bytes=settings.max_zip_bytes,
                concurrency=settings.sync_concurrency,
            )
            syncs = SyncService(
                database, publishers, signed_listings, mirror, clock, allow_unsigned=settings.allow_unsigned
            )
            yield Services(
                public_key=prepared.identity.public_key,
                clock=clock,
                address=settings.address,
                warnings=warnings(settings),
                access=access,
                activities=ActivityService(database),
                quarantine=QuarantineService(database, blobs, zips, clock),
                releases=ReleaseService(database, blobs, statements, clock),
                statements=statements,
                sessions=SessionService(database, access, clock),
                sources=SourceService(database, policy, clock),
                subscriptions=SubscriptionService(database, syncs, clock),
                syncs=syncs,
                verifications=VerificationService(database, publishers, ownership, clock),
            )
    finally:
        zips.close()
        await database.close()


def build_app(
    prepared: Prepared,
    *,
    clock: Clock = time.time,
    recover: bool = True,
    on_ready: Callable[[], None] | None = None,
) -> FastAPI:
    """Make the node's ASGI application; it is wired when it starts and taken apart when it stops.

    With ``recover`` it picks up what a crash interrupted; that is for the one process that owns the data folder.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        background = Background()
        async with open_services(prepared, clock, recover=recover) as services:
            app.state.services = services
            app.state.background = background
            if recover:
                await pick_up(services, background)
            if on_ready is not None:
                on_ready()
            yield
            await background.drain(DRAIN_S)

    settings = prepared.settings
    return build_site(lifespan, max_body_bytes=settings.max_body_bytes, https=settings.address.startswith("https://"))
