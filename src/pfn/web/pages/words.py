"""Plain words for what the domain calls by short names."""

from pfn.domain.access import Scope
from pfn.domain.activity import ActivityType
from pfn.domain.delivery import DeliveryState
from pfn.domain.health import HealthState
from pfn.domain.key_history import KeyChange
from pfn.domain.log import LogPlace
from pfn.domain.peer import PeerPolicy, PeerState
from pfn.domain.release import SignatureLevel
from pfn.domain.schedule import Work
from pfn.domain.source import SourceStatus
from pfn.domain.sync import SyncState
from pfn.domain.trust import Gate
from pfn.domain.verification import VerificationType
from pfn.domain.webhook import WebhookState
from pfn.protocol.errors import Code
from pfn.services.ownership import ORACLE_SENTENCE
from pfn.storage.plugin import PluginSort
from pfn.web.pages.language import N_, NN_, Words, gettext, ngettext, number, translate

STATUS = Words(
    {
        SourceStatus.PENDING: N_("Pending"),
        SourceStatus.VERIFIED: N_("Verified"),
        SourceStatus.ERROR: N_("Failed"),
        SourceStatus.SUSPENDED: N_("Suspended"),
        SourceStatus.REMOVED: N_("Removed"),
    }
)

STATUS_SENTENCE = Words(
    {
        SourceStatus.PENDING: N_(
            "It has not proven yet that it holds its registered key, so nothing is taken from it."
        ),
        SourceStatus.VERIFIED: N_("It proved that it holds its registered key."),
        SourceStatus.ERROR: N_(
            "Its last proof failed. Nothing new is taken from it; what was proven before is still offered."
        ),
        SourceStatus.SUSPENDED: N_("The operator of this node stopped it: nothing of it is offered or mirrored."),
        SourceStatus.REMOVED: N_("It is no longer a source of this node."),
    }
)

HEALTH = Words(
    {
        HealthState.HEALTHY: N_("Healthy"),
        HealthState.DEGRADED: N_("Degraded"),
        HealthState.DOWN: N_("Down"),
    }
)

HEALTH_SENTENCE = Words(
    {
        HealthState.HEALTHY: N_("It answers, and soon enough."),
        HealthState.DEGRADED: N_("It answers slowly, or not every time."),
        HealthState.DOWN: N_("It does not answer. What was mirrored is still offered."),
    }
)

SIGNATURE = Words(
    {
        SignatureLevel.NONE: N_("Not signed"),
        SignatureLevel.METADATA: N_("Name and version signed, not the bytes"),
        SignatureLevel.ARTIFACT: N_("These exact bytes signed"),
    }
)

GENERATION = Words({1: N_("Metadata signatures only"), 2: N_("Signed documents")})

GENERATION_SENTENCE = Words(
    {
        1: N_("Its signatures cover a release's name and version, not the bytes of its zip."),
        2: N_("It signs its keys, its list of plugins, and each release down to the bytes of its zip."),
    }
)

SIGNATURE_SENTENCE = Words({level: level.sentence for level in SignatureLevel})
GATE = Words({gate: gate.sentence for gate in Gate})


GATE_MEANS = Words(
    {
        Gate.REVOKED_KEY: N_("Nothing it signs is believed any more."),
        Gate.EQUIVOCATION: N_(
            "Nothing new of it is taken until the operator of this node has looked and decided. "
            "What was mirrored stays."
        ),
        Gate.OPERATOR_BLOCK: N_("Nothing of it is offered until the operator resumes it."),
        Gate.CUSTODY_COOL_DOWN: N_("What was mirrored stays."),
        Gate.STALE_CATALOG: N_("What it listed last is still offered. Its publisher has to sign a new catalogue."),
        Gate.QUARANTINED_RELEASE: N_("It is kept apart and never served."),
        Gate.FIRST_SEEN_CONFLICT: N_(
            "What was mirrored first stays. The operator of this node looks at both and decides."
        ),
        Gate.RECENT_MISMATCH: N_("The cap goes 30 days after the last such failure."),
        Gate.SIGNING_ORACLE: N_("Its publisher has to mend that; the node asks again every 30 days."),
    }
)
"""What follows from a gate, after its own sentence."""

REASON = Words({code.slug: code.title for code in Code})

KEY_CHANGE = Words(
    {
        KeyChange.ROOT_ADDED: N_("New root key"),
        KeyChange.ROOT_DROPPED: N_("Root key no more"),
        KeyChange.RELEASE_ADDED: N_("New release key"),
        KeyChange.RELEASE_DROPPED: N_("Release key no more"),
        KeyChange.OWNERSHIP_ADDED: N_("New ownership key"),
        KeyChange.OWNERSHIP_DROPPED: N_("Ownership key no more"),
        KeyChange.REVOKED: N_("Revoked"),
    }
)

VERIFICATION = Words(
    {
        VerificationType.INITIAL: N_("First verification"),
        VerificationType.PERIODIC: N_("Regular verification"),
        VerificationType.MANUAL: N_("Verification on request"),
    }
)

SYNC = Words(
    {
        SyncState.RUNNING: N_("Running"),
        SyncState.FINISHED: N_("Finished"),
        SyncState.FAILED: N_("Failed"),
        SyncState.INTERRUPTED: N_("Interrupted"),
    }
)

WORK = Words(
    {
        Work.SYNC: N_("Sync"),
        Work.PROBE: N_("Health probe"),
        Work.VERIFY: N_("Key check"),
        Work.RECHECK: N_("Look at the stored bytes"),
        Work.NOTIFY: N_("Notices for webhooks"),
        Work.DELIVER: N_("Delivery to a webhook"),
        Work.TIDY: N_("Tidying up"),
        Work.COLLECT: N_("Collecting garbage"),
        Work.SCRUB: N_("Look over all stored zips"),
        Work.PEER: N_("Reading a peer's log"),
        Work.WITNESS: N_("Asking a witness"),
    }
)

SORT = Words(
    {
        PluginSort.UPDATED: N_("Newest first"),
        PluginSort.NAME: N_("By name"),
        PluginSort.TRUST: N_("Highest trust first"),
    }
)

TERM = Words(
    {
        "signatures": N_("Signatures"),
        "ownership": N_("Ownership proofs"),
        "uptime": N_("Uptime"),
        "age": N_("Age"),
        "subscribers": N_("Subscribers"),
    }
)

EVIDENCE_TERMS = frozenset({"signatures", "ownership", "uptime"})
"""The terms that stand on observations, good and bad."""

ACTIVITY = Words(
    {
        ActivityType.VERSION_UPDATE: N_("Release"),
        ActivityType.SOURCE_VERIFICATION: N_("Verification"),
        ActivityType.FEDERATION_EVENT: N_("Event"),
        ActivityType.HEALTH_CHANGE: N_("Health"),
    }
)

WEBHOOK = Words(
    {
        WebhookState.ACTIVE: N_("Active"),
        WebhookState.DISABLED: N_("Disabled"),
        WebhookState.REMOVED: N_("Removed"),
    }
)

DELIVERY = Words(
    {
        DeliveryState.PENDING: N_("Waiting"),
        DeliveryState.DELIVERED: N_("Delivered"),
        DeliveryState.FAILED: N_("Failed"),
    }
)

PEER = Words(
    {
        PeerState.PROPOSED: N_("Waits for you"),
        PeerState.ACTIVE: N_("Active"),
        PeerState.SUSPENDED: N_("Suspended"),
        PeerState.FAULTY: N_("Faulty"),
        PeerState.REMOVED: N_("Removed"),
    }
)

SAME = Words(
    {True: N_("both nodes hold the same"), False: N_("the nodes do not hold the same"), None: N_("not compared yet")}
)
"""Whether a peer holds what this node does, as it was when last compared."""

SCOPE = Words(
    {
        Scope.SOURCES_READ: N_("see sources, their histories, activity and subscriptions"),
        Scope.SOURCES_WRITE: N_("add, change, suspend and remove sources; see everyone's subscriptions"),
        Scope.SOURCES_VERIFY: N_("have a source verified"),
        Scope.SUBSCRIPTIONS_WRITE: N_("subscribe and unsubscribe; have events sent to a URL"),
        Scope.MIRROR_RUN: N_("start a sync"),
        Scope.KEYS_ADMIN: N_("make, list and revoke keys"),
        Scope.LOG_ADMIN: N_("look after the log and the peers"),
    }
)

SECTION = Words(
    {
        "description": N_("Description"),
        "installation": N_("Installation"),
        "faq": N_("Questions"),
        "changelog": N_("Changes"),
        "other_notes": N_("Notes"),
    }
)
"""The sections of a readme."""

_TRUST = (
    (0.8, N_("high")),
    (0.6, N_("good")),
    (0.4, N_("fair")),
    (0.2, N_("low")),
    (0.0, N_("very low")),
)

SPOKEN = (
    *(code.title for code in Code),
    *(level.sentence for level in SignatureLevel),
    *(gate.sentence for gate in Gate),
    ORACLE_SENTENCE,
)
"""Fixed sentences of the inner layers, which know no catalogue; they are in it all the same."""


def oracle() -> str:
    """Say what is wrong with a key that signs whatever it is sent."""
    return translate(ORACLE_SENTENCE)


def trust_word(score: float) -> str:
    """Say a trust score in a word; nothing earned yet, or nothing left, is ``none``."""
    return gettext("none") if score <= 0 else translate(next(word for least, word in _TRUST if score >= least))


def taken_of(policy: PeerPolicy) -> str:
    """Say what is taken of a peer."""
    taken = [_chosen(policy)]
    if policy.minimum_trust:
        taken.append(gettext("of sources with a trust of %(trust)s or more", trust=number(policy.minimum_trust, 2)))
    if policy.minimum_level is not SignatureLevel.NONE:
        taken.append(gettext("signed at least: %(level)s", level=SIGNATURE[policy.minimum_level]))
    if policy.first == "peers":
        taken.append(gettext("zips from its peers first"))
    else:
        taken.append(gettext("zips from the publisher first"))
    return "; ".join(taken)


def _chosen(policy: PeerPolicy) -> str:
    match policy.take:
        case "all":
            return gettext("everything")
        case "nothing":
            return gettext("nothing")
    tags = (gettext("tag %(tag)s", tag=tag) for tag in policy.tags)
    return ", ".join([*policy.sources, *tags]) or gettext("nothing, for nothing is chosen")


def placed(place: LogPlace) -> str:
    """Say how well a release is known: ``LogPlace.sentence`` in the language of the request."""
    entered = gettext(
        "It is entry %(index)s of this node's public log, where nothing can be changed or taken out.", index=place.index
    )
    if not place.of:
        # Not within the f-string: what gathers texts does not look there.
        alone = gettext("No other node witnesses the log yet.")
        return f"{entered} {alone}"
    if not place.n:
        unseen = ngettext(
            "The one witness has not seen it yet.", "None of the %(num)s witnesses has seen it yet.", place.of
        )
        return f"{entered} {unseen}"
    behind = ngettext(
        "%(num)s operator other than this node's", "%(num)s operators other than this node's", place.operators
    )
    of = ngettext("%(num)s witness", "%(num)s witnesses", place.of)
    seen = ngettext(
        "%(num)s of %(of)s, run by %(behind)s, has seen it there.",
        "%(num)s of %(of)s, run by %(behind)s, have seen it there.",
        place.n,
        of=of,
        behind=behind,
    )
    return f"{entered} {seen}"


def lasting(seconds: int) -> str:
    """Say how long a time is, in the largest unit that it has a whole number of."""
    for length, one, many in (
        (86_400, *NN_("%(num)s day", "%(num)s days")),
        (3_600, *NN_("%(num)s hour", "%(num)s hours")),
        (60, *NN_("%(num)s minute", "%(num)s minutes")),
    ):
        if seconds >= length and seconds % length == 0:
            return ngettext(one, many, seconds // length)
    return ngettext("%(num)s second", "%(num)s seconds", seconds)
