"""Due work: schedule, listings, health, webhooks."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seq", Id, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_cursors")),
    )
    op.create_table(
        "schedule",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("host", sa.String(), server_default="", nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("owner", sa.String(), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("ran_at", sa.BigInteger(), nullable=True),
        sa.Column("again_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "subject", name=op.f("pk_schedule")),
    )
    op.create_index(op.f("ix_schedule_due_at"), "schedule", ["due_at"], unique=False)
    op.create_index(op.f("ix_schedule_lease_until"), "schedule", ["lease_until"], unique=False)
    op.create_table(
        "webhooks",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("owner", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("description", sa.String(), server_default="", nullable=False),
        sa.Column("kinds", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("sources", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("everything", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("signing_key", sa.String(), nullable=False),
        sa.Column("old_secret", sa.String(), nullable=True),
        sa.Column("old_signing_key", sa.String(), nullable=True),
        sa.Column("old_until", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(), server_default="active", nullable=False),
        sa.Column("state_detail", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("rest_until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('active', 'disabled', 'removed')", name=op.f("ck_webhooks_state")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhooks")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "deliveries",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("webhook_id", Id, nullable=False),
        sa.Column("event_seq", Id, nullable=True),
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(), server_default="pending", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("next_try", sa.BigInteger(), nullable=True),
        sa.Column("delivered_at", sa.BigInteger(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_ms", sa.Integer(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'delivered', 'failed')", name=op.f("ck_deliveries_state")),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhooks.id"], name=op.f("fk_deliveries_webhook_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("message_id", name=op.f("uq_deliveries_message_id")),
        sa.UniqueConstraint("webhook_id", "event_seq", name=op.f("uq_deliveries_webhook_id_event_seq")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_deliveries_event_seq"), "deliveries", ["event_seq"], unique=False)
    op.create_index(op.f("ix_deliveries_state_next_try"), "deliveries", ["state", "next_try"], unique=False)
    op.create_index(
        op.f("ix_deliveries_webhook_id_state_id"), "deliveries", ["webhook_id", "state", "id"], unique=False
    )
    op.create_table(
        "health",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("good_row", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("bad_row", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.BigInteger(), nullable=True),
        sa.Column("response_ms", sa.Integer(), nullable=True),
        sa.Column("last_code", sa.String(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("last_error_at", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("state IN ('healthy', 'degraded', 'down')", name=op.f("ck_health_state")),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_health_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_health")),
    )
    op.create_table(
        "health_hours",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("hour", sa.Integer(), nullable=False),
        sa.Column("probes", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("worst", sa.Float(), server_default=sa.text("1"), nullable=False),
        sa.Column("triggered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("times", sa.JSON(), server_default="[]", nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_health_hours_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", "hour", name=op.f("pk_health_hours")),
    )
    op.create_index(op.f("ix_health_hours_hour"), "health_hours", ["hour"], unique=False)
    op.create_table(
        "listing_states",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("etag", sa.String(), nullable=True),
        sa.Column("last_modified", sa.String(), nullable=True),
        sa.Column("body_sha256", sa.String(length=64), nullable=True),
        sa.Column("wanted_digest", sa.String(length=64), nullable=True),
        sa.Column("look_again_at", sa.BigInteger(), nullable=True),
        sa.Column("shrank_at", sa.BigInteger(), nullable=True),
        sa.Column("rechecked_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_listing_states_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_listing_states")),
    )
    op.create_table(
        "listings",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("signature", sa.Text(), nullable=True),
        sa.Column("statement", sa.String(length=64), nullable=True),
        sa.Column("first_seen", sa.BigInteger(), nullable=False),
        sa.Column("unlisted_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_listings_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "plugin_id", name=op.f("pk_listings")),
    )
    op.create_table(
        "rechecks",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("checked", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_rechecks_source_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("source_id", "day", name=op.f("pk_rechecks")),
    )
    op.add_column("blobs", sa.Column("checked_at", sa.BigInteger(), nullable=True))
    op.add_column("blobs", sa.Column("corrupt_at", sa.BigInteger(), nullable=True))
    op.create_index(op.f("ix_blobs_checked_at"), "blobs", ["checked_at"], unique=False)
    op.add_column("events", sa.Column("action", sa.String(), server_default="", nullable=False))
    events = sa.table("events", sa.column("action"), sa.column("private"), sa.column("details", sa.JSON()))
    op.execute(events.update().values(action=events.c.details["action"].as_string()))
    op.execute(events.update().where(events.c.action.in_(("subscribed", "unsubscribed"))).values(private=sa.true()))
    op.create_index(op.f("ix_events_action_seq"), "events", ["action", "seq"], unique=False)
    op.create_index(op.f("ix_events_private_seq"), "events", ["private", "seq"], unique=False)
    op.create_index(op.f("ix_events_plugin_id_seq"), "events", ["plugin_id", "seq"], unique=False)
    op.create_index(op.f("ix_events_timestamp"), "events", ["timestamp"], unique=False)
    op.create_index(op.f("ix_events_type_seq"), "events", ["type", "seq"], unique=False)
    op.add_column("sources", sa.Column("quota_plugins", sa.Integer(), nullable=True))
    op.add_column("sources", sa.Column("quota_bytes", sa.BigInteger(), nullable=True))
