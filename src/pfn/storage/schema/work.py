"""What is due, and how sources fare."""

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
    String,
    Table,
    Text,
    text,
)

from pfn.storage.schema.base import metadata

# What is due, and who does it now: one row for each kind of work and what it is about (a source, a webhook, the node).
schedule = Table(
    "schedule",
    metadata,
    Column("kind", String, primary_key=True),
    Column("subject", String, primary_key=True),
    # Whom the work asks; so many at a time and no more.
    Column("host", String, nullable=False, server_default=""),
    Column("due_at", BigInteger, nullable=False),
    Column("interval_s", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    # The lease: the token of who holds it, and until when it holds without a heartbeat.
    Column("owner", String),
    Column("lease_until", BigInteger),
    Column("ran_at", BigInteger),
    # When it is wanted again, said while it was under way.
    Column("again_at", BigInteger),
    Column("outcome", String),
    Index(None, "due_at"),
    Index(None, "lease_until"),
)

health = Table(
    "health",
    metadata,
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("state", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    # How many probes in a row went well, or badly: a state changes only after several.
    Column("good_row", Integer, nullable=False, server_default=text("0")),
    Column("bad_row", Integer, nullable=False, server_default=text("0")),
    Column("checked_at", BigInteger, nullable=False),
    Column("last_seen", BigInteger),
    Column("response_ms", Integer),
    Column("last_code", String),
    Column("last_error", Text),
    Column("last_error_at", BigInteger),
    CheckConstraint("state IN ('healthy', 'degraded', 'down')", name="state"),
)

health_hours = Table(
    "health_hours",
    metadata,
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    # Hours since the Unix epoch.
    Column("hour", Integer, primary_key=True),
    Column("probes", Integer, nullable=False, server_default=text("0")),
    Column("failed", Integer, nullable=False, server_default=text("0")),
    # The worst grade of the hour, 0 to 1: what trust counts.
    Column("worst", Float, nullable=False, server_default=text("1")),
    # Whether only callers asked in this hour: then it can lower trust, not raise it.
    Column("triggered", Boolean, nullable=False, server_default=text("false")),
    # Response times in milliseconds of those that answered, in their order.
    Column("times", JSON, nullable=False, server_default="[]"),
    Index(None, "hour"),
)

# A source's trust by day, as it was last found on it; ``earned`` is what it was before gates capped it.
trust_days = Table(
    "trust_days",
    metadata,
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    # Days since the Unix epoch.
    Column("day", Integer, primary_key=True),
    Column("score", Float, nullable=False),
    Column("earned", Float, nullable=False),
    Index(None, "day"),
)

# How far the care of the data is: how often garbage was collected, which look over the whole store is not done yet.
care = Table(
    "care",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
