"""Where proposed changes stand, with their sealed secrets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "proposals",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("idx", sa.BigInteger(), nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.String(length=8), nullable=True),
        sa.Column("secrets", sa.LargeBinary(), nullable=True),
        sa.Column("tested", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_proposals")),
    )
    op.create_index(
        op.f("ix_proposals_due_at"),
        "proposals",
        ["due_at"],
        unique=False,
        postgresql_where=sa.text("due_at IS NOT NULL"),
        sqlite_where=sa.text("due_at IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_table("proposals")
