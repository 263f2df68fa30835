"""Plain words for what the domain calls by short names."""

from pfn.domain.access import Scope
from pfn.domain.activity import ActivityType
from pfn.domain.delivery import DeliveryState
from pfn.domain.health import HealthState
from pfn.domain.peer import PeerPolicy, PeerState
from pfn.domain.release import SignatureLevel
from pfn.domain.source import SourceStatus
from pfn.domain.sync import SyncState
from pfn.domain.trust import Gate
from pfn.domain.verification import VerificationType
from pfn.domain.webhook import WebhookState
from pfn.protocol.errors import Code
from pfn.services.ownership import ORACLE_SENTENCE

STATUS = {
    SourceStatus.PENDING: "Pending",
    SourceStatus.VERIFIED: "Verified",
    SourceStatus.ERROR: "Failed",
    SourceStatus.SUSPENDED: "Suspended",
    SourceStatus.REMOVED: "Removed",
}

STATUS_SENTENCE = {
    SourceStatus.PENDING: "It has not proven yet that it holds its registered key, so nothing is taken from it.",
    SourceStatus.VERIFIED: "It proved that it holds its registered key.",
    SourceStatus.ERROR: "Its last proof failed. Nothing new is taken from it; what was proven before is still offered.",
    SourceStatus.SUSPENDED: "The operator of this node stopped it: nothing of it is offered or mirrored.",
    SourceStatus.REMOVED: "It is no longer a source of this node.",
}

HEALTH = {
    HealthState.HEALTHY: "Healthy",
    HealthState.DEGRADED: "Degraded",
    HealthState.DOWN: "Down",
}

HEALTH_SENTENCE = {
    HealthState.HEALTHY: "It answers, and soon enough.",
    HealthState.DEGRADED: "It answers slowly, or not every time.",
    HealthState.DOWN: "It does not answer. What was mirrored is still offered.",
}

SIGNATURE = {
    SignatureLevel.NONE: "Not signed",
    SignatureLevel.METADATA: "Name and version signed, not the bytes",
    SignatureLevel.ARTIFACT: "These exact bytes signed",
}

GENERATION = {
    1: ("Metadata signatures only", "Its signatures cover a release's name and version, not the bytes of its zip."),
    2: ("Signed documents", "It signs its keys, its list of plugins, and each release down to the bytes of its zip."),
}

ORACLE = ORACLE_SENTENCE

GATE_MEANS = {
    Gate.REVOKED_KEY: "Nothing it signs is believed any more.",
    Gate.EQUIVOCATION: (
        "Nothing new of it is taken until the operator of this node has looked and decided. What was mirrored stays."
    ),
    Gate.OPERATOR_BLOCK: "Nothing of it is offered until the operator resumes it.",
    Gate.CUSTODY_COOL_DOWN: "What was mirrored stays.",
    Gate.STALE_CATALOG: "What it listed last is still offered. Its publisher has to sign a new catalogue.",
    Gate.QUARANTINED_RELEASE: "It is kept apart and never served.",
    Gate.FIRST_SEEN_CONFLICT: "What was mirrored first stays. The operator of this node looks at both and decides.",
    Gate.RECENT_MISMATCH: "The cap goes 30 days after the last such failure.",
    Gate.SIGNING_ORACLE: "Its publisher has to mend that; the node asks again every 30 days.",
}
"""What follows from a gate, after its own sentence."""

REASON = {code.slug: code.title for code in Code}

VERIFICATION = {
    VerificationType.INITIAL: "First verification",
    VerificationType.PERIODIC: "Regular verification",
    VerificationType.MANUAL: "Verification on request",
}

SYNC = {
    SyncState.RUNNING: "Running",
    SyncState.FINISHED: "Finished",
    SyncState.FAILED: "Failed",
    SyncState.INTERRUPTED: "Interrupted",
}

TERM = {
    "signatures": "Signatures",
    "ownership": "Ownership proofs",
    "uptime": "Uptime",
    "age": "Age",
    "subscribers": "Subscribers",
}

EVIDENCE_TERMS = frozenset({"signatures", "ownership", "uptime"})
"""The terms that stand on observations, good and bad."""

ACTIVITY = {
    ActivityType.VERSION_UPDATE: "Release",
    ActivityType.SOURCE_VERIFICATION: "Verification",
    ActivityType.FEDERATION_EVENT: "Event",
    ActivityType.HEALTH_CHANGE: "Health",
}

WEBHOOK = {
    WebhookState.ACTIVE: "Active",
    WebhookState.DISABLED: "Disabled",
    WebhookState.REMOVED: "Removed",
}

DELIVERY = {
    DeliveryState.PENDING: "Waiting",
    DeliveryState.DELIVERED: "Delivered",
    DeliveryState.FAILED: "Failed",
}

PEER = {
    PeerState.PROPOSED: "Waits for you",
    PeerState.ACTIVE: "Active",
    PeerState.SUSPENDED: "Suspended",
    PeerState.FAULTY: "Faulty",
    PeerState.REMOVED: "Removed",
}

SAME = {True: "both nodes hold the same", False: "the nodes do not hold the same", None: "not compared yet"}
"""Whether a peer holds what this node does, as it was when last compared."""

SCOPE = {
    Scope.SOURCES_READ: "see sources, their histories, activity and subscriptions",
    Scope.SOURCES_WRITE: "add, change, suspend and remove sources; see everyone's subscriptions",
    Scope.SOURCES_VERIFY: "have a source verified",
    Scope.SUBSCRIPTIONS_WRITE: "subscribe and unsubscribe; have events sent to a URL",
    Scope.MIRROR_RUN: "start a sync",
    Scope.KEYS_ADMIN: "make, list and revoke keys",
    Scope.LOG_ADMIN: "look after the log and the peers",
}

_TRUST = ((0.8, "high"), (0.6, "good"), (0.4, "fair"), (0.2, "low"), (0.0, "very low"))


def trust_word(score: float) -> str:
    """Say a trust score in a word; nothing earned yet, or nothing left, is ``none``."""
    return "none" if score <= 0 else next(word for least, word in _TRUST if score >= least)


def taken_of(policy: PeerPolicy) -> str:
    """Say what is taken of a peer."""
    taken = {"all": "everything", "nothing": "nothing"}.get(policy.take)
    if taken is None:
        taken = ", ".join([*policy.sources, *(f"tag {tag}" for tag in policy.tags)]) or "nothing, for nothing is chosen"
    if policy.minimum_trust:
        taken += f"; of sources with a trust of {policy.minimum_trust:.2f} or more"
    if policy.minimum_level is not SignatureLevel.NONE:
        taken += f"; signed at least: {SIGNATURE[policy.minimum_level].lower()}"
    return f"{taken}; zips from {'its peers' if policy.first == 'peers' else 'the publisher'} first"
