"""The use cases of one node, by noun: what the outside may ask of it."""

from collections.abc import Callable
from dataclasses import dataclass

from pfn.domain.setting import SettingInForce
from pfn.protocol.ed25519 import PublicKey
from pfn.protocol.peer import NodeDescription
from pfn.services.access import AccessService
from pfn.services.activity import ActivityService
from pfn.services.attention import AttentionService
from pfn.services.clock import Clock
from pfn.services.composer import ComposerService
from pfn.services.conflict import ConflictService
from pfn.services.cosigning import CosigningService
from pfn.services.directory import DirectoryService
from pfn.services.evidence_exchange import EvidenceExchange
from pfn.services.garbage import GarbageService
from pfn.services.health import HealthService
from pfn.services.housekeeping import HousekeepingService
from pfn.services.lease import LeaseService
from pfn.services.live import LiveService
from pfn.services.log import LogService
from pfn.services.measure import MeasureService
from pfn.services.peer import PeerService
from pfn.services.peer_introduction import PeerIntroductions
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
from pfn.services.schedule import ScheduleService
from pfn.services.scrub import ScrubService
from pfn.services.session import SessionService
from pfn.services.site_helper import SiteHelperService
from pfn.services.slug import SlugService
from pfn.services.source import SourceService
from pfn.services.source_report import SourceReports
from pfn.services.state import StateService
from pfn.services.statement import StatementService
from pfn.services.subscription import SubscriptionService
from pfn.services.sync import SyncService
from pfn.services.sync_history import SyncHistoryService
from pfn.services.terms import NodeTerms
from pfn.services.update_check import UpdateCheckService
from pfn.services.update_checker import UpdateCheckerService
from pfn.services.usage import UsageService
from pfn.services.verification import VerificationService
from pfn.services.webhook import WebhookService
from pfn.services.witness import WitnessService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a node can do. ``warnings`` are sentences the operator should see on every page.

    ``changes`` gives a number that is another one after every write to the rows, or None (``storage.database``).
    Without an ``open_catalogue`` strangers are shown no pages of plugins, sources and events.
    """

    public_key: PublicKey
    description: NodeDescription
    terms: NodeTerms
    clock: Clock
    address: str
    warnings: tuple[str, ...]
    settings: tuple[SettingInForce, ...]
    open_catalogue: bool
    changes: Callable[[], int | None]
    access: AccessService
    activities: ActivityService
    attention: AttentionService
    composer: ComposerService
    conflicts: ConflictService
    cosigning: CosigningService
    directory: DirectoryService
    housekeeping: HousekeepingService
    introductions: PeerIntroductions
    leases: LeaseService
    live: LiveService
    log: LogService
    evidence: EvidenceExchange
    garbage: GarbageService
    health: HealthService
    measures: MeasureService
    peers: PeerService
    peer_syncs: PeerSyncService
    proofs: ProofService
    proposals: ProposalService
    quarantine: QuarantineService
    quotas: QuotaService
    readiness: ReadinessService
    rechecks: RecheckService
    recovery: RecoveryService
    releases: ReleaseService
    retention: RetentionService
    schedule: ScheduleService
    scrubs: ScrubService
    sessions: SessionService
    site_helper: SiteHelperService
    slugs: SlugService
    sources: SourceService
    source_reports: SourceReports
    state: StateService
    statements: StatementService
    subscriptions: SubscriptionService
    sync_history: SyncHistoryService
    syncs: SyncService
    update_checks: UpdateCheckService
    update_checkers: UpdateCheckerService
    usage: UsageService
    verifications: VerificationService
    webhooks: WebhookService
    witness: WitnessService
