"""Who speaks for a slug stays known when the source is purged, or a newcomer could step in unseen."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    with op.batch_alter_table("slugs") as batch:
        batch.drop_constraint(op.f("fk_slugs_source_id"), type_="foreignkey")
