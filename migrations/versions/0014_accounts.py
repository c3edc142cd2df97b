"""What makes a finding the same one again, and account scans."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")
NOT_CLOSED = sa.text("closed_at IS NULL AND key IS NOT NULL")
UNDER_WAY = sa.text("ended_at IS NULL")


def upgrade() -> None:
    op.add_column("findings", sa.Column("found_by", sa.String(length=16), nullable=False, server_default="dispute"))
    op.add_column("findings", sa.Column("key", sa.LargeBinary(), nullable=True))
    op.create_index(
        "uq_findings_log_key",
        "findings",
        ["log", "key"],
        unique=True,
        postgresql_where=NOT_CLOSED,
        sqlite_where=NOT_CLOSED,
    )
    op.create_table(
        "scans",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=30), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("idx", sa.BigInteger(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("seen", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_scans")),
    )
    op.create_index(op.f("ix_scans_log_environment_id"), "scans", ["log", "environment", "id"], unique=False)
    op.create_index(
        "uq_scans_log_under_way",
        "scans",
        ["log", "environment"],
        unique=True,
        postgresql_where=UNDER_WAY,
        sqlite_where=UNDER_WAY,
    )


def downgrade() -> None:
    op.drop_table("scans")
    op.drop_index("uq_findings_log_key", table_name="findings")
    with op.batch_alter_table("findings") as table:
        table.drop_column("key")
        table.drop_column("found_by")
