"""Releases whose bytes are kept no more, blobs whose bytes are gone, and how far the care of the data is."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.add_column("mirrored_plugins", sa.Column("retired_at", sa.BigInteger()))
    op.create_index(op.f("ix_mirrored_plugins_retired_at"), "mirrored_plugins", ["retired_at"])
    op.add_column("blobs", sa.Column("gone_at", sa.BigInteger()))
    op.create_table(
        "care",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_care")),
    )
