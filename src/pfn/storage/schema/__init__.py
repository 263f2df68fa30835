"""The tables, once, for SQLite and PostgreSQL.

The seed's six tables keep their names, columns and meanings; more columns follow theirs. Times are Unix seconds.
Migrations make the tables (``pfn.storage.migrations``); a test holds the two equal.
"""

from pfn.storage.schema.access import api_keys, sessions
from pfn.storage.schema.base import metadata
from pfn.storage.schema.history import cursors, events, version_updates
from pfn.storage.schema.log import (
    cosignatures,
    log_evidence,
    log_halts,
    log_heads,
    log_leaves,
    log_owner,
    log_tiles,
    witnessed,
)
from pfn.storage.schema.peer import peer_leaves, peer_wants, peers, source_proposals
from pfn.storage.schema.reach import composer_documents, slug_contests, slugs, usage_days, vendors
from pfn.storage.schema.release import blobs, mirrored_plugins, plugin_tags, plugins, quarantine, rechecks
from pfn.storage.schema.source import (
    catalogs,
    evidence,
    publisher_documents,
    release_statements,
    source_verifications,
    sources,
)
from pfn.storage.schema.subscription import deliveries, subscriptions, webhooks
from pfn.storage.schema.sync import listing_states, listings, sync_failures, syncs
from pfn.storage.schema.work import care, health, health_hours, schedule, trust_days

__all__ = [
    "api_keys",
    "blobs",
    "care",
    "catalogs",
    "composer_documents",
    "cosignatures",
    "cursors",
    "deliveries",
    "events",
    "evidence",
    "health",
    "health_hours",
    "listing_states",
    "listings",
    "log_evidence",
    "log_halts",
    "log_heads",
    "log_leaves",
    "log_owner",
    "log_tiles",
    "metadata",
    "mirrored_plugins",
    "peer_leaves",
    "peer_wants",
    "peers",
    "plugin_tags",
    "plugins",
    "publisher_documents",
    "quarantine",
    "rechecks",
    "release_statements",
    "schedule",
    "sessions",
    "slug_contests",
    "slugs",
    "source_proposals",
    "source_verifications",
    "sources",
    "subscriptions",
    "sync_failures",
    "syncs",
    "trust_days",
    "usage_days",
    "vendors",
    "version_updates",
    "webhooks",
    "witnessed",
]
