"""An index of plugins by name, for lists in that order."""

from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.create_index(op.f("ix_plugins_name_source_id_plugin_id"), "plugins", ["name", "source_id", "plugin_id"])
