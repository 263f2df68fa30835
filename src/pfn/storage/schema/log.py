"""The node's transparency log, and what it and its peers have witnessed of each other."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from pfn.storage.schema.base import Id, metadata

# Written once, in the transaction that makes what they speak of; never changed, never deleted.
log_leaves = Table(
    "log_leaves",
    metadata,
    Column("idx", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("source_id", String),
    Column("plugin_id", String),
    Column("version", String),
    Column("at", BigInteger, nullable=False),
    Index(None, "source_id", "plugin_id", "version"),
)

# The hashes of each tile so far, 32 bytes each, at most 256: what proofs and roots are made of.
log_tiles = Table(
    "log_tiles",
    metadata,
    Column("level", Integer, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hashes", LargeBinary, nullable=False),
)

# Heads that were signed: a size has one for ever.
log_heads = Table(
    "log_heads",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("signed_at", BigInteger, nullable=False),
)

# One row while nothing may be appended: the log went back, or another way, and an operator must look.
log_halts = Table(
    "log_halts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# One row: the key of the log in these rows. Every process must have it, or it would sign them as another log.
log_owner = Table(
    "log_owner",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("verifier_key", Text, nullable=False),
)

cosignatures = Table(
    "cosignatures",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("witness", String, primary_key=True),
    # The whole signature line of the note.
    Column("line", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# The largest consistent tree of another log that this node's witness has signed: replaced, never set back.
witnessed = Table(
    "witnessed",
    metadata,
    Column("origin", String, primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
)

# What a log cannot deny: two of its notes that contradict each other, or a note and what it served for it.
log_evidence = Table(
    "log_evidence",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("origin", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("details", Text, nullable=False),
    Column("first", LargeBinary, nullable=False),
    Column("second", LargeBinary, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("found_at", BigInteger, nullable=False),
    UniqueConstraint("origin", "digest"),
    sqlite_autoincrement=True,
)
