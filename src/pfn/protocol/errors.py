"""Every way things go wrong, in one closed list.

A code is a stable slug that programs may match, with the HTTP status it maps to, whose fault it is and a short
title. An error adds the sentence for people: what happened and what to do. Nothing outside this list crosses the
wire (protocol.md section 1); one place, ``pfn.web.problem``, turns an error into an answer.

Security faults are never retried and always reach the activity feed.
"""

from enum import Enum, StrEnum


class Fault(StrEnum):
    """Who can mend it."""

    CALLER = "caller"
    PUBLISHER = "publisher"
    PEER = "peer"
    STORAGE = "storage"
    SECURITY = "security"
    NODE = "node"


class Code(Enum):
    """The closed list. Value: slug, HTTP status, fault, title."""

    # The caller's request.
    MALFORMED_JSON = ("malformed_json", 400, Fault.CALLER, "The body is not valid JSON")
    INVALID_FIELD = ("invalid_field", 422, Fault.CALLER, "A field is missing or has the wrong type")
    INVALID_KEY = ("invalid_public_key", 422, Fault.CALLER, "The public key cannot be used")
    INVALID_URL = ("invalid_url", 422, Fault.CALLER, "The URL cannot be used")
    KEY_REQUIRED = ("key_required", 401, Fault.CALLER, "An API key is needed")
    KEY_UNKNOWN = ("key_unknown", 401, Fault.CALLER, "This API key is not valid")
    SCOPE_MISSING = ("scope_missing", 403, Fault.CALLER, "This API key may not do that")
    CSRF_FAILED = ("csrf_failed", 403, Fault.CALLER, "The form did not come from this site")
    NOT_FOUND = ("not_found", 404, Fault.CALLER, "There is nothing here")
    SOURCE_UNKNOWN = ("source_unknown", 404, Fault.CALLER, "No such source")
    PLUGIN_UNKNOWN = ("plugin_unknown", 404, Fault.CALLER, "No such plugin")
    RELEASE_UNKNOWN = ("release_unknown", 404, Fault.CALLER, "No such release")
    API_KEY_UNKNOWN = ("api_key_unknown", 404, Fault.CALLER, "No API key has this id")
    SUBSCRIPTION_UNKNOWN = ("subscription_unknown", 404, Fault.CALLER, "No such subscription")
    STATEMENT_UNKNOWN = ("statement_unknown", 404, Fault.CALLER, "No signed statement covers this release")
    QUARANTINE_UNKNOWN = ("quarantine_unknown", 404, Fault.CALLER, "Nothing in quarantine has this id")
    SYNC_UNKNOWN = ("sync_unknown", 404, Fault.CALLER, "No such sync")
    SYNC_RUNNING = ("sync_running", 409, Fault.CALLER, "A sync of this source is running")
    WEBHOOK_UNKNOWN = ("webhook_unknown", 404, Fault.CALLER, "No such webhook")
    DELIVERY_UNKNOWN = ("delivery_unknown", 404, Fault.CALLER, "No such delivery")
    METHOD_NOT_ALLOWED = ("method_not_allowed", 405, Fault.CALLER, "This address does not take that method")
    AUTHOR_AMBIGUOUS = ("author_ambiguous", 409, Fault.CALLER, "Several sources have this user name")
    SOURCE_EXISTS = ("source_exists", 409, Fault.CALLER, "This source is registered already")
    SOURCE_NOT_VERIFIED = ("source_not_verified", 409, Fault.CALLER, "The source is not verified")
    SOURCE_SUSPENDED = ("source_suspended", 409, Fault.CALLER, "The source is suspended")
    SOURCE_GATED = ("source_gated", 409, Fault.CALLER, "The source is gated")
    RELEASE_BLOCKED = ("release_blocked", 410, Fault.CALLER, "The release is blocked")
    RELEASE_RETIRED = ("release_retired", 410, Fault.CALLER, "The bytes of the release are not kept any more")
    RELEASE_YANKED = ("release_yanked", 410, Fault.CALLER, "The release was yanked by its publisher")
    WRONG_STATE = ("wrong_state", 409, Fault.CALLER, "That is not possible in the present state")
    BODY_TOO_LARGE = ("body_too_large", 413, Fault.CALLER, "The body is too large")
    RANGE_NOT_SATISFIABLE = ("range_not_satisfiable", 416, Fault.CALLER, "The range lies outside the file")
    TOO_MANY_REQUESTS = ("too_many_requests", 429, Fault.CALLER, "Too many requests")
    CONFIG_INVALID = ("config_invalid", 500, Fault.CALLER, "A setting cannot be used")

    # The publisher's answers.
    SOURCE_UNREACHABLE = ("source_unreachable", 502, Fault.PUBLISHER, "The publisher cannot be reached")
    PUBLISHER_STATUS = ("publisher_status", 502, Fault.PUBLISHER, "The publisher answered with an error")
    NOT_A_PUBLISHER = ("not_a_publisher", 502, Fault.PUBLISHER, "This address is not a plugin publisher")
    PUBLISHER_DOCUMENT = ("publisher_document", 502, Fault.PUBLISHER, "The publisher sent a wrong document")
    PUBLISHER_TOO_LARGE = ("publisher_too_large", 502, Fault.PUBLISHER, "The publisher sent more than is allowed")
    ASSET_MISSING = ("asset_missing", 502, Fault.PUBLISHER, "The plugin's zip is not where the publisher says")
    ASSET_SCHEME = ("asset_scheme", 502, Fault.PUBLISHER, "The publisher's naming scheme cannot be used")
    ZIP_REFUSED = ("zip_refused", 422, Fault.PUBLISHER, "The zip breaks the rules for plugin zips")
    ZIP_MISMATCH = ("zip_mismatch", 422, Fault.PUBLISHER, "The zip is not what the publisher announced")
    QUOTA_EXCEEDED = ("quota_exceeded", 422, Fault.PUBLISHER, "The source has filled what it may of this node")
    LISTING_SHRANK = ("listing_shrank", 502, Fault.PUBLISHER, "Most of the publisher's catalogue is missing")
    UNSIGNED = ("unsigned", 422, Fault.PUBLISHER, "The release carries no signature")

    # What must never be believed.
    OWNERSHIP_REFUSED = ("ownership_refused", 422, Fault.SECURITY, "The publisher refused to prove its key")
    OWNERSHIP_SIGNATURE = ("ownership_signature", 422, Fault.SECURITY, "The ownership proof is not signed by the key")
    KEY_MISMATCH = ("key_mismatch", 422, Fault.SECURITY, "The publisher shows another key than the registered one")
    SIGNATURE_INVALID = ("signature_invalid", 422, Fault.SECURITY, "The signature does not hold")
    RELEASE_CONFLICT = ("release_conflict", 409, Fault.SECURITY, "Other bytes than before for this version")
    BLOB_CORRUPT = ("blob_corrupt", 500, Fault.SECURITY, "The stored bytes do not match their digest")

    # A v2 publisher's signed documents (protocol.md section 3).
    DOCUMENT_TYPE = ("document_type", 422, Fault.SECURITY, "The signed document is of another type")
    DOCUMENT_MISMATCH = ("document_mismatch", 422, Fault.SECURITY, "The key document is for another source")
    DOCUMENT_THRESHOLD = ("document_threshold", 422, Fault.SECURITY, "Too few root keys signed the key document")
    DOCUMENT_ROLLBACK = ("document_rollback", 422, Fault.SECURITY, "The key document is older than the known one")
    DOCUMENT_FORK = ("document_fork", 422, Fault.SECURITY, "Two key documents have the same version")
    DOCUMENT_GAP = ("document_gap", 422, Fault.SECURITY, "A version of the key document is missing in between")
    DOCUMENT_CHAIN = ("document_chain", 422, Fault.SECURITY, "The key document does not follow from the known one")
    DOCUMENT_EXPIRED = ("document_expired", 422, Fault.SECURITY, "The key document has expired")
    RELEASE_KEY_UNKNOWN = ("release_key_unknown", 422, Fault.SECURITY, "No release key of the publisher signed this")
    RELEASE_KEY_REVOKED = ("release_key_revoked", 422, Fault.SECURITY, "The release key is revoked")
    RELEASE_KEY_TIME = ("release_key_time", 422, Fault.SECURITY, "The release key is not valid at this time")
    RELEASE_KEY_SCOPE = ("release_key_scope", 422, Fault.SECURITY, "The release key may not sign for this plugin")
    STATEMENT_MISMATCH = ("statement_mismatch", 422, Fault.SECURITY, "The statement is about another release")
    STATEMENT_ROLLBACK = ("statement_rollback", 422, Fault.SECURITY, "The statement is older than the known one")
    STATEMENT_FORK = ("statement_fork", 422, Fault.SECURITY, "Two statements have the same sequence number")
    STATEMENT_GAP = ("statement_gap", 422, Fault.SECURITY, "A statement is missing in between")
    STATEMENT_CHAIN = ("statement_chain", 422, Fault.SECURITY, "The statement does not follow from the known one")
    ARTIFACT_DIGEST = ("artifact_digest", 422, Fault.SECURITY, "The zip is not the one the publisher signed")
    ARTIFACT_SIGNATURE = ("artifact_signature", 422, Fault.SECURITY, "The zip's signature does not hold")
    CATALOG_MISMATCH = ("catalog_mismatch", 422, Fault.SECURITY, "The catalogue is not about this")
    CATALOG_ROLLBACK = ("catalog_rollback", 422, Fault.SECURITY, "The catalogue is older than the known one")
    CATALOG_FORK = ("catalog_fork", 422, Fault.SECURITY, "Two catalogues have the same sequence number")
    CATALOG_EXPIRED = ("catalog_expired", 422, Fault.SECURITY, "The catalogue has expired")
    DOWNGRADE = ("downgrade", 422, Fault.SECURITY, "The publisher shows weaker proof than before")
    OWNERSHIP_CHALLENGE = ("ownership_challenge", 422, Fault.SECURITY, "This challenge must not be signed")
    SIGNING_ORACLE = ("signing_oracle", 422, Fault.SECURITY, "The key signs whatever it is sent")

    # A node's log (protocol.md section 4).
    LOG_MALFORMED = ("log_malformed", 400, Fault.CALLER, "This part of a transparency log is not well-formed")
    LOG_UNKNOWN = ("log_unknown", 404, Fault.CALLER, "This log is not known here")
    LOG_SIGNATURE = ("log_signature", 403, Fault.SECURITY, "The checkpoint is not signed by its log")
    LOG_SIZE = ("log_size", 409, Fault.CALLER, "The log was last witnessed at another size")
    LOG_CONSISTENCY = ("log_consistency", 422, Fault.SECURITY, "The log's tree does not follow from the known one")
    LOG_FORK = ("log_fork", 422, Fault.SECURITY, "The log has two trees of one size")
    LOG_ROLLBACK = ("log_rollback", 422, Fault.SECURITY, "The log's tree is older than the known one")
    LOG_HALTED = ("log_halted", 503, Fault.NODE, "The node's log is halted")
    LOG_INCLUSION = ("log_inclusion", 422, Fault.SECURITY, "The entry is not in the log's tree")
    LEAF_UNKNOWN = ("leaf_unknown", 422, Fault.CALLER, "This version does not know such a log entry")
    LEAF_MISMATCH = ("leaf_mismatch", 422, Fault.SECURITY, "The log entry is about something else")
    WITNESS_SIGNATURE = ("witness_signature", 422, Fault.SECURITY, "The signature of a witness does not hold")
    WITNESS_QUORUM = ("witness_quorum", 422, Fault.SECURITY, "Too few witnesses signed the log's tree")
    WITNESS_STALE = ("witness_stale", 422, Fault.SECURITY, "The signatures of the witnesses are too old")
    WITNESS_DIVERGENCE = ("witness_divergence", 502, Fault.SECURITY, "A witness knows another tree of this log")
    WITNESS_REFUSED = ("witness_refused", 502, Fault.PEER, "The witness did not sign")
    PROOF_INCOMPLETE = ("proof_incomplete", 422, Fault.SECURITY, "A piece of the proof is missing")
    EVIDENCE_LOGGED = ("evidence_logged", 409, Fault.SECURITY, "The log holds evidence against this source")
    CUSTODY_COOLDOWN = ("custody_cooldown", 409, Fault.SECURITY, "The source changed hands a short while ago")

    # Other nodes (protocol.md section 4).
    PEER_UNKNOWN = ("peer_unknown", 404, Fault.CALLER, "No such peer")
    PEER_EXISTS = ("peer_exists", 409, Fault.CALLER, "This node is a peer already")
    PEER_UNREACHABLE = ("peer_unreachable", 502, Fault.PEER, "The peer cannot be reached")
    PEER_ANSWER = ("peer_answer", 502, Fault.PEER, "The peer answered with an error or a wrong document")
    PEER_WITHHELD = ("peer_withheld", 502, Fault.PEER, "The peer does not show what its log has signed")
    PEER_PROOF = ("peer_proof", 422, Fault.SECURITY, "The peer did not prove that it holds its key")
    PEER_KEYS = ("peer_keys", 422, Fault.SECURITY, "The peer shows other keys than expected")
    PEER_BYTES = ("peer_bytes", 422, Fault.SECURITY, "The peer sent other bytes than it was asked for")
    PEER_ENDLESS = ("peer_endless", 422, Fault.SECURITY, "The peer's log is longer than any honest one")
    PROPOSAL_UNKNOWN = ("proposal_unknown", 404, Fault.CALLER, "No peer proposed such a source")
    FIRST_SEEN_CONFLICT = ("first_seen_conflict", 409, Fault.SECURITY, "Another node has other bytes for this version")
    EVIDENCE_INVALID = ("evidence_invalid", 422, Fault.CALLER, "The evidence does not hold")

    # The node itself.
    BLOB_MISSING = ("blob_missing", 500, Fault.STORAGE, "The stored bytes are missing")
    NOT_READY = ("not_ready", 503, Fault.STORAGE, "The node cannot serve now")
    STORAGE_UNAVAILABLE = ("storage_unavailable", 503, Fault.STORAGE, "The storage does not answer")
    STORAGE_FULL = ("storage_full", 507, Fault.STORAGE, "The disk is full")
    SCHEMA_NEWER = ("schema_newer", 500, Fault.STORAGE, "The database was made by a newer version")
    LEASE_LOST = ("lease_lost", 503, Fault.NODE, "Another worker took the work over")
    DATA_MISSING = ("data_missing", 500, Fault.NODE, "There is no node in this data folder")
    INTERNAL = ("internal", 500, Fault.NODE, "Something went wrong in the node")

    @property
    def slug(self) -> str:
        """The stable name programs match."""
        return self.value[0]

    @property
    def status(self) -> int:
        """The HTTP status this maps to."""
        return self.value[1]

    @property
    def fault(self) -> Fault:
        """Who can mend it."""
        return self.value[2]

    @property
    def title(self) -> str:
        """A few words that hold for every error of this code."""
        return self.value[3]


class PfnError(Exception):
    """Something in the closed list happened.

    ``detail`` is the sentence for whoever asked. ``internal`` is for the operator alone (addresses, socket errors):
    it goes into logs and stored failures, never into an answer to an outsider (facts: one uniform error class).
    ``retry_after`` is in seconds, where waiting helps.
    """

    def __init__(self, code: Code, detail: str, *, internal: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.internal = internal
        self.retry_after = retry_after

    def __str__(self) -> str:
        return f"{self.code.slug}: {self.detail}"


class SecurityError(PfnError):
    """A proof failed. Never retried, never swallowed, always recorded."""
