"""Standing approvals."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# An instant: `timestamptz`, or the trail's stamp on SQLite.
INSTANT = sa.DateTime(timezone=True).with_variant(sa.String(27), "sqlite")


def upgrade() -> None:
    op.create_table(
        "standing_approvals",
        sa.Column("log", sa.String(length=64), nullable=False),
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("state", sa.JSON(), nullable=False),
        sa.Column("ended", sa.Boolean(), nullable=False),
        sa.Column("not_after", INSTANT, nullable=False),
        sa.Column("mac", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("log", "id", name=op.f("pk_standing_approvals")),
    )
    op.create_index(
        op.f("ix_standing_approvals_not_after"),
        "standing_approvals",
        ["not_after"],
        unique=False,
        postgresql_where=sa.text("NOT ended"),
        sqlite_where=sa.text("NOT ended"),
    )


def downgrade() -> None:
    op.drop_table("standing_approvals")
