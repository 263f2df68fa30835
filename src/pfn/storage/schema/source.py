"""Sources, their proofs, the documents they signed and the evidence against them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from pfn.storage.schema.base import Id, metadata

sources = Table(
    "sources",
    metadata,
    Column("id", String, primary_key=True),
    Column("instance_url", String, nullable=False),
    Column("username", String, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("status", String, nullable=False, server_default="pending"),
    Column("trust_score", Float, nullable=False, server_default=text("0")),
    Column("created_at", BigInteger, nullable=False),
    Column("last_sync", BigInteger),
    Column("asset_domain", String),
    Column("asset_naming_scheme", String),
    Column("status_code", String),
    Column("status_detail", Text),
    Column("features", JSON, nullable=False, server_default="[]"),
    Column("allow_unsigned", Boolean),
    Column("verified_since", BigInteger),
    Column("author", JSON),
    Column("generation", Integer, nullable=False, server_default=text("1")),
    Column("signing_oracle", Boolean, nullable=False, server_default=text("false")),
    Column("oracle_probed_at", BigInteger),
    # Named by what set them: equivocation, revoked_key. Only an operator lifts them.
    Column("gates", JSON, nullable=False, server_default="[]"),
    Column("cool_down_until", BigInteger),
    # What it may fill of this node; empty where the node's setting holds.
    Column("quota_plugins", Integer),
    Column("quota_bytes", BigInteger),
    UniqueConstraint("instance_url", "username"),
    CheckConstraint("status IN ('pending', 'verified', 'error', 'suspended', 'removed')", name="status"),
    CheckConstraint("trust_score >= 0 AND trust_score <= 1", name="trust_score"),
)

source_verifications = Table(
    "source_verifications",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), nullable=False),
    Column("verifier", String, nullable=False),
    Column("verification_type", String, nullable=False),
    Column("result", String, nullable=False),
    Column("details", Text),
    Column("verified_at", BigInteger, nullable=False),
    Column("code", String),
    Column("response_ms", Integer),
    Column("challenge", String, unique=True),
    Column("checks", JSON, nullable=False, server_default="[]"),
    CheckConstraint("verification_type IN ('initial', 'periodic', 'manual')", name="verification_type"),
    CheckConstraint("result IN ('success', 'failure')", name="result"),
    Index(None, "source_id", "id"),
    sqlite_autoincrement=True,
)

publisher_documents = Table(
    "publisher_documents",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("payload_sha256", String(64), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
)

release_statements = Table(
    "release_statements",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("plugin_id", String, primary_key=True),
    Column("sequence", Integer, primary_key=True),
    Column("version", String, nullable=False),
    Column("payload_sha256", String(64), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Index(None, "source_id", "plugin_id", "version"),
)

catalogs = Table(
    "catalogs",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("sequence", Integer, nullable=False),
    Column("payload_sha256", String(64), nullable=False),
    Column("envelope", LargeBinary, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("received_at", BigInteger, nullable=False),
    Column("etag", String),
    Column("last_modified", String),
)

evidence = Table(
    "evidence",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("kind", String, nullable=False),
    Column("plugin_id", String, nullable=False, server_default=""),
    Column("version", String, nullable=False, server_default=""),
    Column("details", Text, nullable=False),
    # Both sides, verbatim: what was known first, and what contradicts it. Digests where bytes have no statement.
    Column("first", LargeBinary, nullable=False),
    Column("second", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("found_at", BigInteger, nullable=False),
    UniqueConstraint("source_id", "digest"),
    sqlite_autoincrement=True,
)
