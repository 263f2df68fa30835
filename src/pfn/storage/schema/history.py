"""What happened, in one growing row, and how far its readers are."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, String, Table, text

from pfn.storage.schema.base import Id, metadata

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
    # The word of the details, once more, to be looked for.
    Column("action", String, nullable=False, server_default=""),
    Column("details", JSON, nullable=False),
    Index(None, "source_id", "seq"),
    Index(None, "plugin_id", "seq"),
    Index(None, "type", "seq"),
    Index(None, "action", "seq"),
    Index(None, "private", "seq"),
    Index(None, "timestamp"),
    # What people did, which is little beside what the node does by itself: the audit trail.
    Index("ix_events_people", "seq", sqlite_where=text("actor != 'node'"), postgresql_where=text("actor != 'node'")),
    sqlite_autoincrement=True,
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

# How far readers of the one history have come: who tells webhooks, say.
cursors = Table(
    "cursors",
    metadata,
    Column("name", String, primary_key=True),
    Column("seq", Id, nullable=False),
)
