"""The first schema: the seed's tables and what stands beside them."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("description", sa.String(), nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("scopes", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("created_by", sa.String(), nullable=False),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.Column("revoked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
    )
    op.create_table(
        "blobs",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("sha1", sa.String(length=40), nullable=False),
        sa.Column("sha384", sa.String(length=96), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("stored_at", sa.BigInteger(), nullable=False),
        sa.Column("manifest", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_blobs")),
    )
    op.create_table(
        "events",
        sa.Column("seq", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=True),
        sa.Column("source_username", sa.String(), nullable=True),
        sa.Column("plugin_id", sa.String(), nullable=True),
        sa.Column("plugin_name", sa.String(), nullable=True),
        sa.Column("old_version", sa.String(), nullable=True),
        sa.Column("new_version", sa.String(), nullable=True),
        sa.Column("private", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_events")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_events_source_id_seq"), "events", ["source_id", "seq"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id_hash", sa.String(length=64), nullable=False),
        sa.Column("key_id", sa.String(), nullable=False),
        sa.Column("csrf", sa.String(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id_hash", name=op.f("pk_sessions")),
    )
    op.create_table(
        "sources",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("instance_url", sa.String(), nullable=False),
        sa.Column("username", sa.String(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("status", sa.String(), server_default="pending", nullable=False),
        sa.Column("trust_score", sa.Float(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_sync", sa.BigInteger(), nullable=True),
        sa.Column("asset_domain", sa.String(), nullable=True),
        sa.Column("asset_naming_scheme", sa.String(), nullable=True),
        sa.Column("status_code", sa.String(), nullable=True),
        sa.Column("status_detail", sa.Text(), nullable=True),
        sa.Column("features", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("allow_unsigned", sa.Boolean(), nullable=True),
        sa.Column("verified_since", sa.BigInteger(), nullable=True),
        sa.Column("author", sa.JSON(), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'verified', 'error', 'suspended', 'removed')",
            name=op.f("ck_sources_status"),
        ),
        sa.CheckConstraint("trust_score >= 0 AND trust_score <= 1", name=op.f("ck_sources_trust_score")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sources")),
        sa.UniqueConstraint("instance_url", "username", name=op.f("uq_sources_instance_url_username")),
    )
    op.create_table(
        "mirrored_plugins",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("local_path", sa.String(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.Column("mirror_date", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("level", sa.String(), nullable=False),
        sa.Column("signed_message", sa.LargeBinary(), nullable=True),
        sa.Column("signing_key", sa.Text(), nullable=True),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("tags", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("facts", sa.JSON(), server_default="{}", nullable=False),
        sa.CheckConstraint("level IN ('none', 'metadata', 'artifact')", name=op.f("ck_mirrored_plugins_level")),
        sa.ForeignKeyConstraint(["sha256"], ["blobs.sha256"], name=op.f("fk_mirrored_plugins_sha256")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_mirrored_plugins_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mirrored_plugins")),
        sa.UniqueConstraint(
            "plugin_id", "source_id", "version", name=op.f("uq_mirrored_plugins_plugin_id_source_id_version")
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_mirrored_plugins_sha256"), "mirrored_plugins", ["sha256"], unique=False)
    op.create_index(
        op.f("ix_mirrored_plugins_source_id_plugin_id"),
        "mirrored_plugins",
        ["source_id", "plugin_id"],
        unique=False,
    )
    op.create_table(
        "plugins",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("author", sa.String(), nullable=True),
        sa.Column("tags", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("newest_version", sa.String(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.Column("search_text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_plugins_source_id")),
        sa.PrimaryKeyConstraint("source_id", "plugin_id", name=op.f("pk_plugins")),
    )
    op.create_index(op.f("ix_plugins_plugin_id"), "plugins", ["plugin_id"], unique=False)
    op.create_index(
        op.f("ix_plugins_updated_at_source_id_plugin_id"),
        "plugins",
        ["updated_at", "source_id", "plugin_id"],
        unique=False,
    )
    op.create_table(
        "source_verifications",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("verifier", sa.String(), nullable=False),
        sa.Column("verification_type", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("verified_at", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("response_ms", sa.Integer(), nullable=True),
        sa.Column("challenge", sa.String(), nullable=True),
        sa.Column("checks", sa.JSON(), server_default="[]", nullable=False),
        sa.CheckConstraint("result IN ('success', 'failure')", name=op.f("ck_source_verifications_result")),
        sa.CheckConstraint(
            "verification_type IN ('initial', 'periodic', 'manual')",
            name=op.f("ck_source_verifications_verification_type"),
        ),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_source_verifications_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_source_verifications")),
        sa.UniqueConstraint("challenge", name=op.f("uq_source_verifications_challenge")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_source_verifications_source_id_id"),
        "source_verifications",
        ["source_id", "id"],
        unique=False,
    )
    op.create_table(
        "subscriptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("subscriber", sa.String(), nullable=False),
        sa.Column("filters", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_subscriptions_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subscriptions")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "uq_subscriptions_living",
        "subscriptions",
        ["source_id", "subscriber"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "sync_failures",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), server_default="", nullable=False),
        sa.Column("version", sa.String(), server_default="", nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("first_failed", sa.BigInteger(), nullable=False),
        sa.Column("last_failed", sa.BigInteger(), nullable=False),
        sa.Column("retry_count", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_retry", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_sync_failures_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sync_failures")),
        sa.UniqueConstraint(
            "source_id", "plugin_id", "version", name=op.f("uq_sync_failures_source_id_plugin_id_version")
        ),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "syncs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("total", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("wanted", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("done", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("mirrored", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('running', 'finished', 'failed', 'interrupted')", name=op.f("ck_syncs_state")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_syncs_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_syncs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_syncs_source_id_id"), "syncs", ["source_id", "id"], unique=False)
    op.create_table(
        "version_updates",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("old_version", sa.String(), nullable=False),
        sa.Column("new_version", sa.String(), nullable=False),
        sa.Column("update_time", sa.BigInteger(), nullable=False),
        sa.Column("notified", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_version_updates_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_version_updates")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_version_updates_source_id_plugin_id"),
        "version_updates",
        ["source_id", "plugin_id"],
        unique=False,
    )
    op.create_table(
        "plugin_tags",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("tag", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id", "plugin_id"],
            ["plugins.source_id", "plugins.plugin_id"],
            name=op.f("fk_plugin_tags_source_id_plugin_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("source_id", "plugin_id", "tag", name=op.f("pk_plugin_tags")),
    )
    op.create_index(op.f("ix_plugin_tags_tag"), "plugin_tags", ["tag"], unique=False)
