"""Signed documents, quarantine and evidence."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("blobs", sa.Column("report", sa.JSON()))
    op.add_column("blobs", sa.Column("rules", sa.Integer(), nullable=False, server_default=sa.text("0")))
    op.add_column("mirrored_plugins", sa.Column("artifact_signature", sa.Text()))
    op.add_column("mirrored_plugins", sa.Column("statement_sequence", sa.Integer()))
    op.add_column("mirrored_plugins", sa.Column("yanked_at", sa.BigInteger()))
    op.add_column("mirrored_plugins", sa.Column("yank_reason", sa.Text()))
    op.add_column("mirrored_plugins", sa.Column("block_reason", sa.Text()))
    op.add_column("sources", sa.Column("generation", sa.Integer(), nullable=False, server_default=sa.text("1")))
    op.add_column("sources", sa.Column("signing_oracle", sa.Boolean(), nullable=False, server_default=sa.text("false")))
    op.add_column("sources", sa.Column("oracle_probed_at", sa.BigInteger()))
    op.add_column("sources", sa.Column("gates", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("sources", sa.Column("cool_down_until", sa.BigInteger()))
    op.add_column("sync_failures", sa.Column("statement", sa.String(length=64)))
    op.create_table(
        "quarantine",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False, server_default=""),
        sa.Column("size", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
        sa.Column("report", sa.JSON()),
        sa.Column("rules", sa.Integer(), nullable=False, server_default=sa.text("0")),
        sa.Column("statement", sa.LargeBinary()),
        sa.Column("quarantined_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_quarantine_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_quarantine")),
        sa.UniqueConstraint(
            "source_id",
            "plugin_id",
            "version",
            "sha256",
            name=op.f("uq_quarantine_source_id_plugin_id_version_sha256"),
        ),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_quarantine_sha256"), "quarantine", ["sha256"])
    op.create_table(
        "publisher_documents",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_publisher_documents_source_id")),
        sa.PrimaryKeyConstraint("source_id", "version", name=op.f("pk_publisher_documents")),
    )
    op.create_table(
        "release_statements",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_release_statements_source_id")),
        sa.PrimaryKeyConstraint("source_id", "plugin_id", "sequence", name=op.f("pk_release_statements")),
    )
    op.create_index(
        op.f("ix_release_statements_source_id_plugin_id_version"),
        "release_statements",
        ["source_id", "plugin_id", "version"],
    )
    op.create_table(
        "catalogs",
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("payload_sha256", sa.String(length=64), nullable=False),
        sa.Column("envelope", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.String()),
        sa.Column("last_modified", sa.String()),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_catalogs_source_id")),
        sa.PrimaryKeyConstraint("source_id", name=op.f("pk_catalogs")),
    )
    op.create_table(
        "evidence",
        sa.Column("id", Id, autoincrement=True, nullable=False),
        sa.Column("source_id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("plugin_id", sa.String(), nullable=False, server_default=""),
        sa.Column("version", sa.String(), nullable=False, server_default=""),
        sa.Column("details", sa.Text(), nullable=False),
        sa.Column("first", sa.LargeBinary(), nullable=False),
        sa.Column("second", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("found_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.id"], name=op.f("fk_evidence_source_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evidence")),
        sa.UniqueConstraint("source_id", "digest", name=op.f("uq_evidence_source_id_digest")),
        sqlite_autoincrement=True,
    )
