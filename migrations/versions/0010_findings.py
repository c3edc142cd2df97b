"""Findings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "findings",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("environment", sa.String(length=255), nullable=True),
        sa.Column("about", sa.String(length=30), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("opened_index", sa.BigInteger(), nullable=False),
        sa.Column("explained_index", sa.BigInteger(), nullable=True),
        sa.Column("opened_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_findings")),
    )
    op.create_index(op.f("ix_findings_log_about"), "findings", ["log", "about"], unique=False)
    op.create_index(op.f("ix_findings_log_state"), "findings", ["log", "state"], unique=False)


def downgrade() -> None:
    op.drop_table("findings")
