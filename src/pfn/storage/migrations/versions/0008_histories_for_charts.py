"""Trust by day, and indexes that give new releases and new bytes by day: what charts are drawn from."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "trust_days",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("score", sa.Float(), nullable=False),
        sa.Column("earned", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.id"], name=op.f("fk_trust_days_source_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("source_id", "day", name=op.f("pk_trust_days")),
    )
    op.create_index(op.f("ix_trust_days_day"), "trust_days", ["day"], unique=False)
    op.create_index(op.f("ix_mirrored_plugins_mirror_date"), "mirrored_plugins", ["mirror_date"], unique=False)
    op.create_index(op.f("ix_blobs_stored_at_size"), "blobs", ["stored_at", "size"], unique=False)
