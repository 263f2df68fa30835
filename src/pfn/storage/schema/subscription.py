"""Who wants what, and who is told of it."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
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

webhooks = Table(
    "webhooks",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("owner", String, nullable=False),
    Column("url", String, nullable=False),
    Column("description", String, nullable=False, server_default=""),
    # What is sent: kinds of events, and of which sources; all its owner may see where none is named.
    Column("kinds", JSON, nullable=False, server_default="[]"),
    Column("sources", JSON, nullable=False, server_default="[]"),
    # Whether its owner sees everything (an operator) or only what its subscriptions take.
    Column("everything", Boolean, nullable=False, server_default=text("false")),
    Column("secret", String, nullable=False),
    Column("signing_key", String, nullable=False),
    # While receivers change over, messages carry the signatures of both.
    Column("old_secret", String),
    Column("old_signing_key", String),
    Column("old_until", BigInteger),
    Column("state", String, nullable=False, server_default="active"),
    Column("state_detail", Text),
    Column("created_at", BigInteger, nullable=False),
    # Since when nothing was delivered that was tried.
    Column("failing_since", BigInteger),
    # Until when it is left alone: it asked for that, or seems to be away.
    Column("rest_until", BigInteger),
    CheckConstraint("state IN ('active', 'disabled', 'removed')", name="state"),
    sqlite_autoincrement=True,
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("webhook_id", Id, ForeignKey("webhooks.id"), nullable=False),
    # Empty for a test ping.
    Column("event_seq", Id),
    # The webhook-id header: the same for every try, so that a receiver counts it once.
    Column("message_id", String, nullable=False, unique=True),
    Column("type", String, nullable=False),
    Column("body", Text, nullable=False),
    Column("state", String, nullable=False, server_default="pending"),
    Column("created_at", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("next_try", BigInteger),
    Column("delivered_at", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("last_ms", Integer),
    CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="state"),
    UniqueConstraint("webhook_id", "event_seq"),
    Index(None, "event_seq"),
    Index(None, "state", "next_try"),
    Index(None, "webhook_id", "state", "id"),
    sqlite_autoincrement=True,
)
