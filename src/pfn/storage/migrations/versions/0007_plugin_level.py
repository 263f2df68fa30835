"""What the signature of a plugin's newest release covers, beside its list row, for lists to choose by."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

NEWEST = """
UPDATE plugins SET level = (
    SELECT level FROM mirrored_plugins AS newest
    WHERE newest.source_id = plugins.source_id
      AND newest.plugin_id = plugins.plugin_id
      AND newest.version = plugins.newest_version
)
WHERE EXISTS (
    SELECT 1 FROM mirrored_plugins AS newest
    WHERE newest.source_id = plugins.source_id
      AND newest.plugin_id = plugins.plugin_id
      AND newest.version = plugins.newest_version
)
"""


def upgrade() -> None:
    op.add_column("plugins", sa.Column("level", sa.String(), server_default="none", nullable=False))
    op.execute(NEWEST)
    op.create_index(
        op.f("ix_plugins_level_updated_at_source_id_plugin_id"),
        "plugins",
        ["level", "updated_at", "source_id", "plugin_id"],
        unique=False,
    )
