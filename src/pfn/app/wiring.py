"""Settings in, a wired node out: every service with the parts it needs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields

from pfn.app.prepare import Prepared, bucket_address, database_url, describe_node, outbound_policy, warnings
from pfn.app.work_process import WorkProcess
from pfn.outbound.budget import FetchLimits
from pfn.outbound.fetch import Fetcher
from pfn.outbound.peer import PeerClient
from pfn.outbound.publisher import PublisherClient
from pfn.outbound.receiver import RECEIVER_LIMITS, ReceiverClient
from pfn.outbound.signed_documents import SignedDocumentClient
from pfn.services.access import AccessService
from pfn.services.activity import ActivityService
from pfn.services.attention import AttentionService
from pfn.services.bad_keys import BadKeys
from pfn.services.blob_repair import BlobRepair
from pfn.services.catalog import CatalogService
from pfn.services.clock import Clock
from pfn.services.composer import ComposerService
from pfn.services.conflict import ConflictService
from pfn.services.cosigning import CosigningService
from pfn.services.delivery import DeliveryService
from pfn.services.directory import DirectoryService
from pfn.services.evidence_exchange import EvidenceExchange
from pfn.services.garbage import GarbageService
from pfn.services.health import HealthService
from pfn.services.housekeeping import HousekeepingService
from pfn.services.key_document import KeyDocumentService
from pfn.services.lease import LeaseService
from pfn.services.listing import ListingService
from pfn.services.live import LiveService
from pfn.services.log import LogService
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
from pfn.services.retention import RetentionService
from pfn.services.room import Room
from pfn.services.schedule import ScheduleService, make_paces
from pfn.services.scrub import ScrubService
from pfn.services.session import SessionService
from pfn.services.signed_listing import SignedListingService
from pfn.services.site_helper import SiteHelperService
from pfn.services.slug import SlugService
from pfn.services.source import SourceService
from pfn.services.source_report import SourceReports
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
from pfn.settings import describe_settings
from pfn.storage.database import Database
from pfn.storage.folder_lock import hold_folder
from pfn.storage.identity import (
    LOG_MARK_NAME,
)
from pfn.storage.open_blobs import open_blobs
from pfn.work.start import pick_up


@asynccontextmanager
async def open_services(
    prepared: Prepared, clock: Clock, *, elsewhere: WorkProcess | None = None, helping: bool = False
) -> AsyncIterator[Services]:
    """Wire a node on its folder and take it apart again; what a crash left is cleared up first.

    Processes that start together on one database clear up one after the other. What a person asks for and is heavy is
    done ``elsewhere``. A process that is ``helping`` the one that started it leaves out what that one did, and what
    costs by what is stored.
    """
    settings = prepared.settings
    database = Database(database_url(settings))
    async with (
        hold_folder(settings.data) as folder,
        _wire(prepared, clock, database, alone=folder.alone, elsewhere=elsewhere) as services,
    ):
        async with database.one_at_a_time():
            if settings.database_url is not None:
                await services.log.claim()
            if not helping:
                if await services.log.check() is None:
                    await services.log.backfill()
                await services.slugs.fill()
                await services.composer.fill()
            # Rows that are elsewhere may have other folders' workers on them.
            await pick_up(services, alone=folder.alone and settings.database_url is None)
        await folder.share()
        yield services


@asynccontextmanager
async def _wire(
    prepared: Prepared, clock: Clock, database: Database, *, alone: bool, elsewhere: WorkProcess | None
) -> AsyncIterator[Services]:
    settings = prepared.settings
    blobs = await open_blobs(settings.data / "blobs", bucket_address(settings))
    if alone:
        await asyncio.to_thread(blobs.sweep)
    leases = LeaseService(database, clock, seconds=settings.lease_seconds, per_host=settings.sync_concurrency)
    paces = make_paces(
        sync=settings.sync_every,
        probe=settings.probe_every,
        verify=settings.verify_every,
        recheck=settings.recheck_every,
        scrub=settings.scrub_every,
    )
    schedule = ScheduleService(database, clock, paces)
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
            syncs = SyncService(database, leases, schedule, elsewhere or runner, clock)
            mark = settings.data / LOG_MARK_NAME
            own_log = LogService(database, clock, prepared.log, mark, quorum=settings.witness_quorum)
            releases = ReleaseService(database, blobs, statements, clock)
            peers = PeerService(database, peer_steps, clock)
            log_evidence = LogEvidenceService(database, peers, clock)
            evidence = EvidenceExchange(database, peer_client, own_log, log_evidence, clock)
            sources = SourceService(database, policy, schedule, clock)
            proposals = ProposalService(
                database,
                sources,
                clock,
                automatic=settings.accept_peer_sources,
                most_unproven=settings.unproven_sources,
            )
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
            peer_syncs = PeerSyncService(
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
                elsewhere=elsewhere.do if elsewhere else None,
            )
            repair = BlobRepair(database, blobs, publishers, peer_client, peer_syncs.give_up, clock)
            yield Services(
                public_key=prepared.identity.public_key,
                description=description,
                terms=NodeTerms(**{one.name: getattr(settings, one.name) for one in fields(NodeTerms)}),
                clock=clock,
                address=settings.address,
                warnings=warnings(settings),
                settings=describe_settings(settings, prepared.origins),
                open_catalogue=settings.open_catalogue,
                changes=database.changes,
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
                garbage=GarbageService(database, blobs, leases, schedule, clock, grace_days=settings.gc_grace_days),
                health=HealthService(database, publishers, documents, clock),
                measures=MeasureService(database, clock, settings.data),
                readiness=ReadinessService(
                    database,
                    clock,
                    settings.data / "blobs",
                    min_free_bytes=settings.min_free_bytes,
                    bucket=None if settings.blobs_url is None else blobs,
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
                peer_syncs=peer_syncs,
                proofs=ProofService(database, own_log, releases, statements, clock),
                proposals=proposals,
                quarantine=QuarantineService(database, blobs, zips, clock),
                quotas=quotas,
                rechecks=RecheckService(database, blobs, repair, statements, clock, max_bytes=settings.recheck_bytes),
                recovery=RecoveryService(database, own_log, peer_client, mark, clock),
                releases=releases,
                retention=RetentionService(
                    database,
                    clock,
                    versions=settings.keep_versions,
                    days=settings.keep_versions_days,
                    events_keep_days=settings.events_keep_days,
                    history_keep_days=settings.history_keep_days,
                ),
                schedule=schedule,
                scrubs=ScrubService(
                    database,
                    blobs,
                    repair,
                    leases,
                    schedule,
                    clock,
                    every_s=settings.scrub_every,
                    rate=settings.scrub_rate,
                ),
                statements=statements,
                sessions=SessionService(database, access, clock),
                site_helper=SiteHelperService(database, clock, settings.address),
                slugs=SlugService(database, clock),
                sources=sources,
                source_reports=SourceReports(database, clock),
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
