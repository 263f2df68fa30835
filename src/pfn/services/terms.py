"""What a node takes in and how long it keeps it: what its operator decided, for everyone to read."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NodeTerms:
    """The settings that concern others. Quotas are for one source; 0 is no limit, or for ever where it is days."""

    allow_unsigned: bool
    accept_peer_sources: bool
    max_zip_bytes: int
    quota_plugins: int
    quota_bytes: int
    verify_every: int
    recheck_every: int
    events_keep_days: int
    history_keep_days: int
    witness_quorum: int
    address_limit: int
    key_limit: int
