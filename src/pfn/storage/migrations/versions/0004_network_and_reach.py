"""The network (log, witnesses, peers), and how plugins reach people (slugs, Composer's names, usage)."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "cosignatures",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("witness", sa.String(), nullable=False),
        sa.Column("line", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", "witness", name=op.f("pk_cosignatures")),
    )
    op.create_table(
        "log_evidence",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("first", sa.LargeBinary(), nullable=False),
        sa.Column("second", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_evidence")),
        sa.UniqueConstraint("origin", "digest", name=op.f("uq_log_evidence_origin_digest")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "log_halts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_log_halts")),
    )
    op.create_table(
        "log_heads",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_heads")),
    )
    op.create_table(
        "log_leaves",
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("source_id", sa.String()),
        sa.Column("plugin_id", sa.String()),
        sa.Column("version", sa.String()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_log_leaves")),
    )
    op.create_index(
        op.f("ix_log_leaves_source_id_plugin_id_version"),
        "log_leaves",
        ["source_id", "plugin_id", "version"],
        unique=False,
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_log_tiles")),
    )
    op.create_table(
        "peers",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("identity_key", sa.Text(), nullable=False),
        sa.Column("log_key", sa.Text(), nullable=False),
        sa.Column("witness_key", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("state_code", sa.String()),
        sa.Column("state_detail", sa.Text()),
        sa.Column("policy", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("is_witness", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("proven_at", sa.BigInteger()),
        sa.Column("last_seen", sa.BigInteger()),
        sa.Column("note", sa.Text()),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("root", sa.LargeBinary()),
        sa.Column("read_to", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cosigned_size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("cosigned_at", sa.BigInteger()),
        sa.Column("equal", sa.Boolean()),
        sa.Column("compared_at", sa.BigInteger()),
        sa.CheckConstraint(
            "state IN ('proposed', 'active', 'suspended', 'faulty', 'removed')", name=op.f("ck_peers_state")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_peers")),
        sa.UniqueConstraint("origin", name=op.f("uq_peers_origin")),
        sa.UniqueConstraint("url", name=op.f("uq_peers_url")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "usage_days",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("downloads", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("installs", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "plugin_id", "version", "day", name=op.f("pk_usage_days")),
    )
    op.create_table(
        "vendors",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("vendor", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_vendors")),
        sa.UniqueConstraint("vendor", name=op.f("uq_vendors_vendor")),
    )
    op.create_table(
        "witnessed",
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", name=op.f("pk_witnessed")),
    )
    op.create_table(
        "peer_leaves",
        sa.Column("peer_id", Id, nullable=False),
        sa.Column("idx", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["peers.id"], name=op.f("fk_peer_leaves_peer_id")),
        sa.PrimaryKeyConstraint("peer_id", "idx", name=op.f("pk_peer_leaves")),
    )
    op.create_table(
        "peer_wants",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("peer_id", Id, nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String()),
        sa.Column("details", sa.Text()),
        sa.Column("retry_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_retry", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["peer_id"], ["peers.id"], name=op.f("fk_peer_wants_peer_id")),
        sa.PrimaryKeyConstraint("source_id", "plugin_id", "version", "peer_id", name=op.f("pk_peer_wants")),
    )
    op.create_index(op.f("ix_peer_wants_peer_id_next_retry"), "peer_wants", ["peer_id", "next_retry"], unique=False)
    op.create_table(
        "slug_contests",
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(), server_default="held", nullable=False),
        sa.CheckConstraint("state IN ('held', 'refused')", name=op.f("ck_slug_contests_state")),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_slug_contests_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("slug", "source_id", name=op.f("pk_slug_contests")),
    )
    op.create_table(
        "slugs",
        sa.Column("slug", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("pinned", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_slugs_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("slug", name=op.f("pk_slugs")),
    )
    op.create_index(op.f("ix_slugs_source_id"), "slugs", ["source_id"], unique=False)
    op.create_table(
        "source_proposals",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("peer_id", Id, nullable=False),
        sa.Column("instance_url", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), server_default="waiting", nullable=False),
        sa.Column("proposed_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('waiting', 'accepted', 'refused')", name=op.f("ck_source_proposals_state")),
        sa.ForeignKeyConstraint(["peer_id"], ["peers.id"], name=op.f("fk_source_proposals_peer_id")),
        sa.PrimaryKeyConstraint("source_id", "peer_id", name=op.f("pk_source_proposals")),
    )
    op.add_column("mirrored_plugins", sa.Column("log_index", sa.BigInteger()))
    op.add_column("plugins", sa.Column("kind", sa.String(), server_default="plugin", nullable=False))
    op.add_column("plugins", sa.Column("offer", sa.JSON(), server_default="{}", nullable=False))
