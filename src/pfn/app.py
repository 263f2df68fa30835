"""The composition root: settings in, a wired node out. It alone knows all the parts."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from functools import partial

from fastapi import FastAPI

from pfn import __version__
from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.peer import PeerClient
from pfn.outbound.policy import OutboundPolicy
from pfn.outbound.publisher import PublisherClient
from pfn.outbound.receiver import RECEIVER_LIMITS, ReceiverClient
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.protocol.ed25519 import SigningKey
from pfn.protocol.errors import Code, PfnError
from pfn.protocol.log.cosignature import Cosigner
from pfn.protocol.log.note import NoteSigner
from pfn.protocol.peer import NodeDescription
from pfn.protocol.source_id import normalize_instance_url
from pfn.services.access import AccessService, hash_master_key
from pfn.services.activity import ActivityService
from pfn.services.attention import AttentionService
from pfn.services.background import Background
from pfn.services.bad_keys import BadKeys
from pfn.services.catalog import CatalogService
from pfn.services.clock import Clock
from pfn.services.composer import ComposerService
from pfn.services.conflict import ConflictService
from pfn.services.cosigning import CosigningService
from pfn.services.delivery import DeliveryService
from pfn.services.directory import DirectoryService
from pfn.services.doctor import Finding, examine_node
from pfn.services.evidence_exchange import EvidenceExchange
from pfn.services.health import HealthService
from pfn.services.housekeeping import HousekeepingService
from pfn.services.key_document import KeyDocumentService
from pfn.services.lease import LeaseService
from pfn.services.listing import ListingService
from pfn.services.live import LiveService
from pfn.services.log import LogService, read_mark
from pfn.services.log_check import LogCheck, Report, check_log
from pfn.services.log_evidence import LogEvidenceService
from pfn.services.measure import MeasureService
from pfn.services.mirror import MirrorService
from pfn.services.node import Services
from pfn.services.notice import NoticeService
from pfn.services.ownership import OwnershipService
from pfn.services.peer import PeerService
from pfn.services.peer_document import PeerDocuments
from pfn.services.peer_introduction import PeerIntroductions
from pfn.services.peer_mirror import PeerMirrorService
from pfn.services.peer_proof import PeerProofs
from pfn.services.peer_step import PeerSteps
from pfn.services.peer_sync import PeerSyncService
from pfn.services.proof import ProofService
from pfn.services.proposal import ProposalService
from pfn.services.quarantine import QuarantineService
from pfn.services.quota import QuotaService
from pfn.services.readiness import ReadinessService
from pfn.services.recheck import RecheckService
from pfn.services.recovery import RecoveryService
from pfn.services.release import ReleaseService
from pfn.services.room import Room
from pfn.services.schedule import ScheduleService, make_paces
from pfn.services.session import SessionService
from pfn.services.signed_listing import SignedListingService
from pfn.services.site_helper import SiteHelperService
from pfn.services.slug import SlugService
from pfn.services.source import SourceService
from pfn.services.state import StateService
from pfn.services.statement import StatementService
from pfn.services.subscription import SubscriptionService
from pfn.services.sync import SyncService
from pfn.services.sync_history import SyncHistoryService
from pfn.services.sync_run import SyncRunner
from pfn.services.tail import TailService
from pfn.services.terms import NodeTerms
from pfn.services.update_check import UpdateCheckService
from pfn.services.update_checker import UpdateCheckerService
from pfn.services.usage import UsageService
from pfn.services.verification import VerificationService
from pfn.services.webhook import WebhookService
from pfn.services.witness import WitnessService
from pfn.services.zip_check import ZipCheck
from pfn.settings import Settings, describe_settings
from pfn.storage.blob_store import FileBlobStore
from pfn.storage.database import Database, sqlite_url
from pfn.storage.folder_lock import hold_folder
from pfn.storage.identity import (
    LOG_KEY_NAME,
    LOG_MARK_NAME,
    WITNESS_KEY_NAME,
    keep_master_hash,
    load_identity,
    load_key,
    load_log_origin,
    make_master_key,
    read_master_hash,
)
from pfn.storage.migrate import migrate
from pfn.web.forwarded import TrustedProxies
from pfn.web.limit import Limits
from pfn.web.site import build_site
from pfn.web.zip import Outlet
from pfn.work.dispatch import do_work
from pfn.work.start import pick_up
from pfn.work.worker import Worker

DRAIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """A data folder ready to serve. ``new_master_key`` is there only when one was made just now: show it.

    ``identity``, ``log`` and ``witness`` are three keys, none of them used for two things. ``origins`` tells where
    settings came from, as far as that is known.
    """

    settings: Settings
    identity: SigningKey
    log: NoteSigner
    witness: Cosigner
    master_hash: str
    new_master_key: str | None
    origins: Mapping[str, str] = field(default_factory=dict)


def prepare(settings: Settings, *, renew_master_key: bool = False) -> Prepared:
    """Make what a node needs before it serves: its folder, its keys, a master key, an up-to-date schema.

    Doing it again changes nothing, unless a new master key is asked for, which ends the old one. The names of log and
    witness stay what they were first, whatever address the node gets.
    Raises PfnError: ``schema_newer``, ``config_invalid``.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    host = node_url(settings).split("/")[2]
    origin = load_log_origin(settings.data, f"{host}/pfn")
    unlocked = partial(
        Prepared,
        settings,
        load_identity(settings.data),
        NoteSigner(origin, load_key(settings.data / LOG_KEY_NAME)),
        Cosigner(f"{origin.rpartition('/')[0] or origin}/witness", load_key(settings.data / WITNESS_KEY_NAME)),
    )
    migrate(database_url(settings))
    if settings.master_key_text is not None:
        return unlocked(hash_master_key(settings.master_key_text), None)
    known = read_master_hash(settings.data)
    if known is not None and not renew_master_key:
        return unlocked(known, None)
    key = make_master_key()
    master_hash = hash_master_key(key)
    keep_master_hash(settings.data, master_hash)
    return unlocked(master_hash, key)


def node_url(settings: Settings) -> str:
    """Give the one spelling of where clients and peers reach the node. Raises PfnError (``config_invalid``)."""
    try:
        return normalize_instance_url(settings.address)
    except PfnError as error:
        raise PfnError(Code.CONFIG_INVALID, f"public_url: {settings.address}: {error.detail}") from error


def describe_node(prepared: Prepared) -> NodeDescription:
    """Give what the node says of itself."""
    settings = prepared.settings
    url = node_url(settings)
    host = url.split("/")[2]
    return NodeDescription(
        name=settings.node_name or host,
        url=url,
        operator=settings.operator or host,
        origin=prepared.log.name,
        identity_key=prepared.identity.public_key,
        log_key=prepared.log.verifier_key,
        witness_key=prepared.witness.verifier_key,
        software="pfn",
        version=__version__,
    )


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
        return await examine_node(
            settings.data, database, blobs, warnings(settings), time.time(), min_free_bytes=settings.min_free_bytes
        )
    finally:
        await database.close()


async def look_over_log(settings: Settings, report: Report) -> LogCheck:
    """Look over a node's whole log (``pfn log check``). Raises as ``check_log``; PfnError (``data_missing``)."""
    if not settings.data.is_dir():
        raise PfnError(Code.DATA_MISSING, f"There is no node in {settings.data}; make one with: pfn init")
    prepared = prepare(settings)
    database = Database(database_url(settings))
    try:
        return await check_log(database, prepared.log.verifier_key, read_mark(settings.data / LOG_MARK_NAME), report)
    finally:
        await database.close()


@asynccontextmanager
async def open_services(prepared: Prepared, clock: Clock) -> AsyncIterator[Services]:
    """Wire a node on its folder and take it apart again; what a crash left is cleared up first."""
    async with hold_folder(prepared.settings.data) as folder, _wire(prepared, clock) as services:
        if folder.alone:
            await asyncio.to_thread(FileBlobStore(prepared.settings.data / "blobs").sweep)
        # Rows that are elsewhere may have other folders' workers on them.
        if await services.log.check() is None:
            await services.log.backfill()
        await services.slugs.fill()
        await services.composer.fill()
        await pick_up(services, alone=folder.alone and prepared.settings.database_url is None)
        await folder.share()
        yield services


@asynccontextmanager
async def _wire(prepared: Prepared, clock: Clock) -> AsyncIterator[Services]:
    settings = prepared.settings
    database = Database(database_url(settings))
    blobs = FileBlobStore(settings.data / "blobs")
    leases = LeaseService(database, clock, seconds=settings.lease_seconds, per_host=settings.sync_concurrency)
    paces = make_paces(
        sync=settings.sync_every,
        probe=settings.probe_every,
        verify=settings.verify_every,
        recheck=settings.recheck_every,
    )
    schedule = ScheduleService(database, leases, clock, paces)
    live = LiveService(database, max_streams=settings.max_streams)
    zips = ZipCheck(database, settings.zip_workers)
    policy = outbound_policy(settings)
    description = describe_node(prepared)
    limits = FetchLimits(per_host=settings.sync_concurrency, download_bytes=settings.max_zip_bytes)
    try:
        async with Fetcher(policy, limits) as fetcher, Fetcher(policy, RECEIVER_LIMITS) as receivers:
            publishers = PublisherClient(fetcher)
            peer_client = PeerClient(fetcher)
            peer_steps = PeerSteps(schedule, clock)
            documents = SignedDocumentClient(fetcher)
            keys = KeyDocumentService(database, documents, clock)
            catalogs = CatalogService(database, documents, keys, clock)
            ownership = OwnershipService(publishers, keys, clock, node_origin=settings.origin)
            statements = StatementService(database, keys)
            signed_listings = SignedListingService(database, documents, clock, concurrency=settings.sync_concurrency)
            listings = ListingService(database, publishers, catalogs, signed_listings, clock)
            quotas = QuotaService(database, clock, plugins=settings.quota_plugins, bytes=settings.quota_bytes)
            room = Room(database, blobs, clock, min_free_bytes=settings.min_free_bytes)
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
            runner = SyncRunner(
                database, listings, mirror, quotas, room, schedule, clock, allow_unsigned=settings.allow_unsigned
            )
            syncs = SyncService(database, leases, schedule, runner, clock)
            mark = settings.data / LOG_MARK_NAME
            own_log = LogService(database, clock, prepared.log, mark, quorum=settings.witness_quorum)
            releases = ReleaseService(database, blobs, statements, clock)
            peers = PeerService(database, peer_steps, clock)
            log_evidence = LogEvidenceService(database, peers, clock)
            evidence = EvidenceExchange(database, peer_client, own_log, log_evidence, clock)
            sources = SourceService(database, policy, schedule, clock)
            proposals = ProposalService(database, sources, clock, automatic=settings.accept_peer_sources)
            peer_documents = PeerDocuments(database, peer_client, keys, catalogs, clock)
            peer_mirror = PeerMirrorService(
                database,
                peer_client,
                publishers,
                peer_documents,
                mirror,
                quotas,
                room,
                clock,
                take_unproven=not settings.accept_peer_sources,
                max_zip_bytes=settings.max_zip_bytes,
                concurrency=settings.sync_concurrency,
            )
            state = StateService(database)
            directory = DirectoryService(database)
            yield Services(
                public_key=prepared.identity.public_key,
                description=description,
                terms=NodeTerms(**{one.name: getattr(settings, one.name) for one in fields(NodeTerms)}),
                clock=clock,
                address=settings.address,
                warnings=warnings(settings),
                settings=describe_settings(settings, prepared.origins),
                open_catalogue=settings.open_catalogue,
                access=access,
                activities=ActivityService(database),
                attention=AttentionService(database),
                composer=ComposerService(database, clock),
                conflicts=ConflictService(database),
                cosigning=CosigningService(database, own_log, peer_client, clock),
                directory=directory,
                housekeeping=HousekeepingService(
                    database,
                    clock,
                    events_keep_days=settings.events_keep_days,
                    history_keep_days=settings.history_keep_days,
                ),
                leases=leases,
                live=live,
                log=own_log,
                evidence=evidence,
                health=HealthService(database, publishers, documents, clock),
                measures=MeasureService(database, clock, settings.data),
                readiness=ReadinessService(
                    database, clock, settings.data / "blobs", min_free_bytes=settings.min_free_bytes
                ),
                introductions=PeerIntroductions(
                    database,
                    policy,
                    peer_client,
                    PeerProofs(peer_client, description, prepared.identity, clock),
                    peer_steps,
                    clock,
                ),
                peers=peers,
                peer_syncs=PeerSyncService(
                    database,
                    peer_client,
                    peers,
                    TailService(database, peer_client, log_evidence, clock, most_entries=settings.peer_entries),
                    peer_documents,
                    peer_mirror,
                    evidence,
                    proposals,
                    state,
                    own_log,
                    room,
                    leases,
                    schedule,
                    clock,
                ),
                proofs=ProofService(database, own_log, releases, statements, clock),
                proposals=proposals,
                quarantine=QuarantineService(database, blobs, zips, clock),
                quotas=quotas,
                rechecks=RecheckService(
                    database, blobs, publishers, statements, clock, max_bytes=settings.recheck_bytes
                ),
                recovery=RecoveryService(database, own_log, peer_client, mark, clock),
                releases=releases,
                schedule=schedule,
                statements=statements,
                sessions=SessionService(database, access, clock),
                site_helper=SiteHelperService(database, clock, settings.address),
                slugs=SlugService(database, clock),
                sources=sources,
                state=state,
                subscriptions=SubscriptionService(
                    database, syncs, schedule, clock, allow_unsigned=settings.allow_unsigned
                ),
                sync_history=SyncHistoryService(database, clock),
                syncs=syncs,
                update_checks=UpdateCheckService(database, settings.address),
                update_checkers=UpdateCheckerService(database, releases, directory),
                usage=UsageService(database, clock),
                verifications=VerificationService(database, publishers, ownership, leases, schedule, clock),
                webhooks=WebhookService(
                    database,
                    policy,
                    NoticeService(database, schedule, clock),
                    DeliveryService(database, ReceiverClient(receivers), schedule, clock),
                    clock,
                ),
                witness=WitnessService(database, prepared.witness, log_evidence, clock),
            )
    finally:
        await live.stop()
        zips.close()
        await database.close()


def make_outlet(settings: Settings) -> Outlet:
    """Give the ways zips go out."""
    return Outlet(
        redirect=settings.download_redirect.rstrip("/") if settings.download_redirect else None,
        offload=settings.download_offload,
        prefix=settings.download_offload_prefix.rstrip("/") + "/",
    )


def make_worker(services: Services, settings: Settings) -> Worker:
    """Make the worker of this process; it does nothing until it is told to."""
    return Worker(
        services.leases,
        services.schedule,
        services.clock,
        partial(do_work, services),
        services.webhooks.has_news,
        concurrency=settings.work_concurrency,
    )


async def begin_stop(app: FastAPI) -> None:
    """Have a running application claim no more work and end the answers that would go on for ever."""
    if app.state.worker is not None:
        app.state.worker.stop()
    await app.state.services.live.stop()


def build_app(prepared: Prepared, *, clock: Clock = time.time, on_ready: Callable[[], None] | None = None) -> FastAPI:
    """Make the node's ASGI application; it is wired when it starts and taken apart when it stops.

    Where the settings say so it does the due work too; ``worker`` on its state is None otherwise.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        background = Background()
        async with open_services(prepared, clock) as services, services.usage.flushing():
            worker = make_worker(services, settings) if settings.work else None
            app.state.services = services
            app.state.background = background
            app.state.worker = worker
            if worker is not None:
                await services.cosigning.look_back()
                await services.schedule.fill()
                worker.start()
            if on_ready is not None:
                on_ready()
            yield
            await asyncio.gather(background.drain(DRAIN_S), *([worker.drain(DRAIN_S)] if worker else []))

    settings = prepared.settings
    return build_site(
        lifespan,
        clock,
        max_body_bytes=settings.max_body_bytes,
        limits=Limits(address=settings.address_limit, key=settings.key_limit),
        proxies=TrustedProxies(settings.trusted_proxies),
        https=settings.address.startswith("https://"),
        open_metrics=settings.open_metrics,
        outlet=make_outlet(settings),
    )
