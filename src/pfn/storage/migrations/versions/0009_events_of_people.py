"""An index of what people did, for the audit trail."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    people = sa.text("actor != 'node'")
    op.create_index(
        op.f("ix_events_people"), "events", ["seq"], unique=False, sqlite_where=people, postgresql_where=people
    )
