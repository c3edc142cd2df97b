"""Seals over the rows that are the fold of each institution's log."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seals",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("folded", sa.BigInteger(), nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", name=op.f("pk_seals")),
    )


def downgrade() -> None:
    op.drop_table("seals")
