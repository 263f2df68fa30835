"""The use cases of one node, by noun: what the outside may ask of it."""

from dataclasses import dataclass

from pfn.protocol.ed25519 import PublicKey
from pfn.services.access import AccessService
from pfn.services.activity import ActivityService
from pfn.services.clock import Clock
from pfn.services.quarantine import QuarantineService
from pfn.services.release import ReleaseService
from pfn.services.session import SessionService
from pfn.services.source import SourceService
from pfn.services.statement import StatementService
from pfn.services.subscription import SubscriptionService
from pfn.services.sync import SyncService
from pfn.services.verification import VerificationService


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a node can do. ``warnings`` are sentences the operator should see on every page."""

    public_key: PublicKey
    clock: Clock
    address: str
    warnings: tuple[str, ...]
    access: AccessService
    activities: ActivityService
    quarantine: QuarantineService
    releases: ReleaseService
    sessions: SessionService
    sources: SourceService
    statements: StatementService
    subscriptions: SubscriptionService
    syncs: SyncService
    verifications: VerificationService
