"""Plain words for what the domain calls by short names."""

from pfn.domain.access import Scope
from pfn.domain.activity import ActivityType
from pfn.domain.release import SignatureLevel
from pfn.domain.source import SourceStatus
from pfn.domain.sync import SyncState
from pfn.domain.trust import Gate
from pfn.domain.verification import VerificationType
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

ACTIVITY = {
    ActivityType.VERSION_UPDATE: "Release",
    ActivityType.SOURCE_VERIFICATION: "Verification",
    ActivityType.FEDERATION_EVENT: "Event",
    ActivityType.HEALTH_CHANGE: "Health",
}

SCOPE = {
    Scope.SOURCES_READ: "see sources, their histories, activity and subscriptions",
    Scope.SOURCES_WRITE: "add, change, suspend and remove sources; see everyone's subscriptions",
    Scope.SOURCES_VERIFY: "have a source verified",
    Scope.SUBSCRIPTIONS_WRITE: "subscribe and unsubscribe",
    Scope.MIRROR_RUN: "start a sync",
    Scope.KEYS_ADMIN: "make, list and revoke keys",
    Scope.LOG_ADMIN: "look after the log",
}

_TRUST = ((0.8, "high"), (0.6, "good"), (0.4, "fair"), (0.2, "low"), (0.0, "very low"))


def trust_word(score: float) -> str:
    """Say a trust score in a word; nothing earned yet, or nothing left, is ``none``."""
    return "none" if score <= 0 else next(word for least, word in _TRUST if score >= least)
