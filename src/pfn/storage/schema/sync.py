"""Syncs: what a source lists, the runs, and what failed."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from pfn.storage.schema.base import Id, metadata

# A source's catalogue as it was last seen, one row per plugin: what changed is told by comparing with it.
listings = Table(
    "listings",
    metadata,
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("plugin_id", String, primary_key=True),
    Column("version", String, nullable=False),
    Column("name", String, nullable=False),
    Column("description", Text),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("signature", Text),
    # The payload hash of the statement the catalogue names (v2).
    Column("statement", String(64)),
    # When this node first saw this version listed: what a cool-down is counted from.
    Column("first_seen", BigInteger, nullable=False),
    # Since when the publisher lists it no more; what is mirrored of it stays.
    Column("unlisted_at", BigInteger),
)

listing_states = Table(
    "listing_states",
    metadata,
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("etag", String),
    Column("last_modified", String),
    Column("body_sha256", String(64)),
    # A digest of what was wanted when everything listed was last gone through: another wish is another look.
    Column("wanted_digest", String(64)),
    # When something held back is to be looked at again although nothing changed.
    Column("look_again_at", BigInteger),
    # Since when most of the catalogue is missing, which is not believed at once.
    Column("shrank_at", BigInteger),
    Column("rechecked_at", BigInteger),
)

syncs = Table(
    "syncs",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("state", String, nullable=False),
    Column("started_at", BigInteger, nullable=False),
    Column("finished_at", BigInteger),
    Column("total", Integer, nullable=False, server_default=text("0")),
    Column("wanted", Integer, nullable=False, server_default=text("0")),
    Column("done", Integer, nullable=False, server_default=text("0")),
    Column("mirrored", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    Column("code", String),
    Column("detail", Text),
    CheckConstraint("state IN ('running', 'finished', 'failed', 'interrupted')", name="state"),
    Index(None, "source_id", "id"),
    sqlite_autoincrement=True,
)

sync_failures = Table(
    "sync_failures",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    # Empty where the failure is the source's own: its catalogue could not be read.
    Column("plugin_id", String, nullable=False, server_default=""),
    Column("version", String, nullable=False, server_default=""),
    Column("code", String, nullable=False),
    Column("details", Text, nullable=False),
    Column("sha256", String(64)),
    # The payload hash of the statement it failed with: another statement is another try.
    Column("statement", String(64)),
    Column("first_failed", BigInteger, nullable=False),
    Column("last_failed", BigInteger, nullable=False),
    Column("retry_count", Integer, nullable=False, server_default=text("0")),
    Column("next_retry", BigInteger),
    UniqueConstraint("source_id", "plugin_id", "version"),
    sqlite_autoincrement=True,
)
