"""The tables, once, for SQLite and PostgreSQL.

The seed's six tables keep their names, columns and meanings; more columns follow theirs. Times are Unix seconds.
Migrations make the tables (``pfn.storage.migrations``); a test holds the two equal.
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes a growing key only of INTEGER; PostgreSQL's INTEGER ends in 2038 for times.
Id = BigInteger().with_variant(Integer, "sqlite")

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

blobs = Table(
    "blobs",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("sha1", String(40), nullable=False),
    Column("sha384", String(96), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("stored_at", BigInteger, nullable=False),
    Column("manifest", JSON, nullable=False),
    # What the zip check found, and under which rules, so that no bytes are judged twice.
    Column("report", JSON),
    Column("rules", Integer, nullable=False, server_default=text("0")),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("plugin_id", String, nullable=False),
    Column("version", String, nullable=False),
    Column("code", String, nullable=False),
    Column("details", Text, nullable=False),
    # Empty where the release was refused before its bytes were fetched.
    Column("sha256", String(64), nullable=False, server_default=""),
    Column("size", BigInteger, nullable=False, server_default=text("0")),
    Column("report", JSON),
    Column("rules", Integer, nullable=False, server_default=text("0")),
    # The signed statement that went with the bytes, verbatim, where there was one.
    Column("statement", LargeBinary),
    Column("quarantined_at", BigInteger, nullable=False),
    UniqueConstraint("source_id", "plugin_id", "version", "sha256"),
    Index(None, "sha256"),
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

mirrored_plugins = Table(
    "mirrored_plugins",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("plugin_id", String, nullable=False),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("version", String, nullable=False),
    Column("description", Text),
    Column("local_path", String, nullable=False),
    Column("signature", Text, nullable=False),
    Column("mirror_date", BigInteger, nullable=False),
    Column("sha256", String(64), ForeignKey("blobs.sha256"), nullable=False),
    Column("level", String, nullable=False),
    Column("signed_message", LargeBinary),
    Column("signing_key", Text),
    Column("author", String),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("facts", JSON, nullable=False, server_default="{}"),
    Column("artifact_signature", Text),
    Column("statement_sequence", Integer),
    Column("yanked_at", BigInteger),
    Column("yank_reason", Text),
    # Why it is served to nobody, not even by version: its key was revoked for its time.
    Column("block_reason", Text),
    UniqueConstraint("plugin_id", "source_id", "version"),
    CheckConstraint("level IN ('none', 'metadata', 'artifact')", name="level"),
    Index(None, "source_id", "plugin_id"),
    Index(None, "sha256"),
    sqlite_autoincrement=True,
)

plugins = Table(
    "plugins",
    metadata,
    Column("source_id", String, ForeignKey("sources.id"), primary_key=True),
    Column("plugin_id", String, primary_key=True),
    Column("name", String, nullable=False),
    Column("description", Text),
    Column("author", String),
    Column("tags", JSON, nullable=False, server_default="[]"),
    Column("newest_version", String, nullable=False),
    Column("updated_at", BigInteger, nullable=False),
    Column("search_text", Text, nullable=False),
    Index(None, "updated_at", "source_id", "plugin_id"),
    Index(None, "plugin_id"),
)

plugin_tags = Table(
    "plugin_tags",
    metadata,
    Column("source_id", String, primary_key=True),
    Column("plugin_id", String, primary_key=True),
    Column("tag", String, primary_key=True),
    ForeignKeyConstraint(["source_id", "plugin_id"], ["plugins.source_id", "plugins.plugin_id"], ondelete="CASCADE"),
    Index(None, "tag"),
)

version_updates = Table(
    "version_updates",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("plugin_id", String, nullable=False),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("old_version", String, nullable=False),
    Column("new_version", String, nullable=False),
    Column("update_time", BigInteger, nullable=False),
    Column("notified", Boolean, nullable=False, server_default=text("false")),
    Index(None, "source_id", "plugin_id"),
    sqlite_autoincrement=True,
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("source_id", String, ForeignKey("sources.id"), nullable=False),
    Column("subscriber", String, nullable=False),
    Column("filters", JSON, nullable=False, server_default="{}"),
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    # One living subscription per subscriber and source; ended ones stay as history.
    Index(
        "uq_subscriptions_living",
        "source_id",
        "subscriber",
        unique=True,
        sqlite_where=text("ended_at IS NULL"),
        postgresql_where=text("ended_at IS NULL"),
    ),
    sqlite_autoincrement=True,
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

events = Table(
    "events",
    metadata,
    Column("seq", Id, primary_key=True, autoincrement=True),
    Column("type", String, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("actor", String, nullable=False),
    Column("source_id", String),
    Column("source_username", String),
    Column("plugin_id", String),
    Column("plugin_name", String),
    Column("old_version", String),
    Column("new_version", String),
    Column("private", Boolean, nullable=False, server_default=text("false")),
    Column("details", JSON, nullable=False),
    Index(None, "source_id", "seq"),
    sqlite_autoincrement=True,
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("secret_hash", String(64), nullable=False),
    Column("description", String, nullable=False),
    Column("owner", String, nullable=False),
    Column("scopes", JSON, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("created_by", String, nullable=False),
    Column("last_used_at", BigInteger),
    Column("revoked_at", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("id_hash", String(64), primary_key=True),
    Column("key_id", String, nullable=False),
    Column("csrf", String, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("last_seen", BigInteger, nullable=False),
)
