"""How plugins reach people: who speaks for a slug, what Composer calls a source, how often things were fetched."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    String,
    Table,
    text,
)

from pfn.storage.schema.base import metadata

# The one source that answers for a slug where only slugs are known, as in WordPress; it changes by hand alone, and so
# outlives a source that is purged.
slugs = Table(
    "slugs",
    metadata,
    Column("slug", String, primary_key=True),
    Column("source_id", String, nullable=False, index=True),
    Column("pinned", Boolean, nullable=False, server_default=text("false")),
    Column("since", BigInteger, nullable=False),
    Column("decided_by", String, nullable=False),
)

# A newcomer with a slug that another source holds: served under its own name, never under the bare slug.
slug_contests = Table(
    "slug_contests",
    metadata,
    Column("slug", String, primary_key=True),
    Column("source_id", String, ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True),
    Column("found_at", BigInteger, nullable=False),
    Column("state", String, nullable=False, server_default="held"),
    CheckConstraint("state IN ('held', 'refused')", name="state"),
)

# Composer's vendor name of a source, given once and kept for ever.
vendors = Table(
    "vendors",
    metadata,
    Column("source_id", String, primary_key=True),
    Column("vendor", String, nullable=False, unique=True),
)

# Since when a document of the Composer repository says what it says: clients ask by that date alone.
composer_documents = Table(
    "composer_documents",
    metadata,
    Column("name", String, primary_key=True),
    Column("digest", String(64), nullable=False),
    Column("modified_at", BigInteger, nullable=False),
)

# Sums by day, no person in them: downloads, and sites that said they run it.
usage_days = Table(
    "usage_days",
    metadata,
    Column("source_id", String, primary_key=True),
    Column("plugin_id", String, primary_key=True),
    Column("version", String, primary_key=True),
    # Days since the Unix epoch.
    Column("day", Integer, primary_key=True),
    Column("downloads", BigInteger, nullable=False, server_default=text("0")),
    Column("installs", BigInteger, nullable=False, server_default=text("0")),
)
