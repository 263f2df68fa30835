"""Releases, their bytes, and what was refused."""

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    ForeignKeyConstraint,
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
    # When the stored bytes were last hashed again, and since when they no longer match.
    Column("checked_at", BigInteger),
    Column("corrupt_at", BigInteger),
    # Since when the bytes are gone because nobody keeps them any more: every release with them is retired.
    Column("gone_at", BigInteger),
    Index(None, "checked_at"),
    Index(None, "stored_at", "size"),
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
    # Where its leaf stands in this node's log.
    Column("log_index", BigInteger),
    # Since when its bytes are not kept any more, by the node's retention; its record stays.
    Column("retired_at", BigInteger),
    UniqueConstraint("plugin_id", "source_id", "version"),
    CheckConstraint("level IN ('none', 'metadata', 'artifact')", name="level"),
    Index(None, "source_id", "plugin_id"),
    Index(None, "sha256"),
    Index(None, "mirror_date"),
    Index(None, "retired_at"),
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
    Column("kind", String, nullable=False, server_default="plugin"),
    # The little of the newest release's facts that update checks need, so that they read no whole readme.
    Column("offer", JSON, nullable=False, server_default="{}"),
    # What the signature of the newest release covers.
    Column("level", String, nullable=False, server_default="none"),
    Index(None, "updated_at", "source_id", "plugin_id"),
    Index(None, "level", "updated_at", "source_id", "plugin_id"),
    Index(None, "name", "source_id", "plugin_id"),
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

rechecks = Table(
    "rechecks",
    metadata,
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    # Days since the Unix epoch.
    Column("day", Integer, primary_key=True),
    Column("checked", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
)
