"""Other nodes: who they are, how far their logs were read, and what is wanted of them."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    text,
)

from pfn.storage.schema.base import Id, metadata

peers = Table(
    "peers",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("url", String, nullable=False, unique=True),
    Column("name", String, nullable=False),
    # Who runs it, in this operator's words: witnesses of one operator count as one.
    Column("operator", String, nullable=False),
    Column("identity_key", Text, nullable=False),
    # Verifier keys as signed notes name them; the log's name is its origin.
    Column("log_key", Text, nullable=False),
    Column("witness_key", Text, nullable=False),
    Column("origin", String, nullable=False, unique=True),
    Column("state", String, nullable=False),
    Column("state_code", String),
    Column("state_detail", Text),
    Column("policy", JSON, nullable=False, server_default="{}"),
    Column("is_witness", Boolean, nullable=False, server_default=text("true")),
    Column("created_at", BigInteger, nullable=False),
    Column("proven_at", BigInteger),
    Column("last_seen", BigInteger),
    # Its log: the newest checkpoint that was proven consistent, and how far its leaves were taken in.
    Column("note", Text),
    Column("size", BigInteger, nullable=False, server_default=text("0")),
    Column("root", LargeBinary),
    Column("read_to", BigInteger, nullable=False, server_default=text("0")),
    # How much of this node's log it has cosigned.
    Column("cosigned_size", BigInteger, nullable=False, server_default=text("0")),
    Column("cosigned_at", BigInteger),
    # The state digests compared last: what it says it holds and what this node does of the same.
    Column("equal", Boolean),
    Column("compared_at", BigInteger),
    CheckConstraint("state IN ('proposed', 'active', 'suspended', 'faulty', 'removed')", name="state"),
    # An operator who names a peer that is gone must not hit the next one.
    sqlite_autoincrement=True,
)

# The leaves of peers' logs, kept as they came: a node that lost its own asks its peers for them.
peer_leaves = Table(
    "peer_leaves",
    metadata,
    Column("peer_id", Id, ForeignKey("peers.id"), primary_key=True),
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("leaf", LargeBinary, nullable=False),
)

# A release a peer's log speaks of that this node wants and does not have yet.
peer_wants = Table(
    "peer_wants",
    metadata,
    Column("source_id", String, primary_key=True),
    Column("plugin_id", String, primary_key=True),
    Column("version", String, primary_key=True),
    Column("peer_id", Id, ForeignKey("peers.id"), primary_key=True),
    Column("idx", BigInteger, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("code", String),
    Column("details", Text),
    Column("retry_count", Integer, nullable=False, server_default=text("0")),
    Column("next_retry", BigInteger, nullable=False),
    Index(None, "peer_id", "next_retry"),
)

# A source a peer's log speaks of that is not registered here; it awaits the operator, or the setting lets it in.
source_proposals = Table(
    "source_proposals",
    metadata,
    Column("source_id", String, primary_key=True),
    Column("peer_id", Id, ForeignKey("peers.id"), primary_key=True),
    Column("instance_url", String, nullable=False),
    Column("username", String, nullable=False),
    Column("public_key", Text, nullable=False),
    Column("state", String, nullable=False, server_default="waiting"),
    Column("proposed_at", BigInteger, nullable=False),
    CheckConstraint("state IN ('waiting', 'accepted', 'refused')", name="state"),
)
